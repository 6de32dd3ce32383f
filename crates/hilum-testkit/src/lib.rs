//! Program: phantoms, simulated modality and PACS, fake clock.
