//! Edge: JSON API with its OpenAPI document, STOW-RS, metrics and the server-rendered pages.
