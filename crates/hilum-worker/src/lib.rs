//! Edge: carries out jobs: complete studies, evaluate the gate, infer, encode and deliver.
