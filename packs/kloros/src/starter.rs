//! What a new root starts with: the pack's programs, and something real to work on.

use antiphon_engine::registry::StarterFile;

macro_rules! starter_files {
    ($($path:literal = $source:literal,)*) => {
        &[$(StarterFile { path: $path, content: include_bytes!($source) },)*]
    };
}

/// Every file, with its path below the root.
pub(crate) const FILES: &[StarterFile] = starter_files! {
    "kloros/programs/dream.py" = "../programs/dream.py",
    "kloros/programs/investigate.py" = "../programs/investigate.py",
    "kloros/programs/promotions.py" = "../programs/promotions.py",
    "kloros/programs/semantic_dedup.py" = "../programs/semantic_dedup.py",
    "kloros/programs/workspace.py" = "../programs/workspace.py",
    "capabilities.yaml" = "../starter/capabilities.yaml",
    "kloros.env" = "../starter/kloros.env",
    "src/audio/__init__.py" = "../starter/src/audio/__init__.py",
    "src/audio/frames.py" = "../starter/src/audio/frames.py",
    "src/audio/level.py" = "../starter/src/audio/level.py",
    "src/memory/recall.py" = "../starter/src/memory/recall.py",
    "src/memory/store.py" = "../starter/src/memory/store.py",
};
