//! Core: findings to DICOM SR, SEG and key images, validated before anything leaves.
