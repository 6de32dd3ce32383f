//! A beginning of `hilum/package.toml` from what a MONAI bundle says about itself and what its graph takes and gives.
//!
//! Nothing clinical is guessed: what a person must decide says [`FILL_IN`], and a package that still says so is refused.

use super::onnx::{self, OnnxDim, OnnxSummary, OnnxTensor};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// What stands where a person must decide, in a value or in a comment.
pub const FILL_IN: &str = "FILL IN";

/// Most values of a vector that nobody has named and that are still taken for scores; longer ones are features.
const UNNAMED_MAX: u64 = 8;

/// Text of a manifest to be completed. `folder` is the name of the package's folder; `metadata` is the bundle's
/// `configs/metadata.json` and `graph` its ONNX graph, where there are such.
pub fn manifest_skeleton(folder: &str, metadata: Option<&Value>, graph: Option<&OnnxSummary>) -> String {
    let metadata = Metadata(metadata.and_then(Value::as_object));
    let mut text = format!(
        "# A beginning, from configs/metadata.json and models/model.onnx. A package is refused while a line says\n\
         # {FILL_IN}: decide it and take the words away. The manual lists every key.\n\
         schema = 1\n\n[package]\n"
    );
    let name = slug(metadata.text("name").unwrap_or(folder));
    line(&mut text, "name", &name);
    line(&mut text, "version", &metadata.short("version", "the maker's number"));
    line(&mut text, "title", &metadata.short("name", "name for people"));
    line(&mut text, "manufacturer", &metadata.short("authors", "maker"));
    line(&mut text, "license", &format!("{FILL_IN}: the SPDX expression of the file LICENSE"));
    line(&mut text, "description", metadata.text("description").unwrap_or(FILL_IN));
    text.push_str("\n[regulatory]\nstatus = \"research-only\"\n");
    intended_use(&mut text, &metadata);
    let (inputs, outputs) = graph.map_or((&[][..], &[][..]), |graph| (&graph.inputs, &graph.outputs));
    if inputs.is_empty() {
        let _ = write!(text, "\n# {FILL_IN}: one [[input]] for each input of the graph\n");
    }
    for (place, tensor) in inputs.iter().enumerate() {
        input(&mut text, tensor, metadata.tensor("inputs", &tensor.name, place));
    }
    if outputs.is_empty() {
        let _ = write!(text, "\n# {FILL_IN}: one [[output]] for each output that means something\n");
    }
    for (place, tensor) in outputs.iter().enumerate() {
        output(&mut text, tensor, metadata.tensor("outputs", &tensor.name, place));
    }
    text.push_str("\n[resources]\nmemory_mb = 2048\ndeadline_seconds = 60\nthreads = 1\n");
    text
}

struct Metadata<'a>(Option<&'a Map<String, Value>>);

impl<'a> Metadata<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        self.0?.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// At most 64 characters without backslash, as DICOM's VR LO takes it.
    fn short(&self, key: &str, what: &str) -> String {
        match self.text(key) {
            Some(text) => text.chars().filter(|c| !c.is_control() && *c != '\\').take(64).collect(),
            None => format!("{FILL_IN}: {what}"),
        }
    }

    /// What is said about a tensor: by its name in the graph, or else at its place.
    fn tensor(&self, side: &str, name: &str, place: usize) -> Tensor<'a> {
        let said = self.0.and_then(|m| m.get("network_data_format")?.get(side)?.as_object());
        Tensor(said.and_then(|said| said.get(name).or_else(|| said.values().nth(place))))
    }
}

/// What `network_data_format` says about one tensor.
struct Tensor<'a>(Option<&'a Value>);

impl Tensor<'_> {
    fn word(&self, key: &str) -> String {
        self.0.and_then(|said| said.get(key)?.as_str()).unwrap_or_default().to_lowercase()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.0.and_then(|said| said.get(key)?.as_u64())
    }

    /// Class number and name, in order.
    fn channels(&self) -> Vec<(usize, String)> {
        let said = self.0.and_then(|said| said.get("channel_def")?.as_object());
        let entry = |(key, name): (&String, &Value)| Some((key.parse().ok()?, name.as_str()?.to_owned()));
        let mut channels: Vec<(usize, String)> = said.into_iter().flatten().filter_map(entry).collect();
        channels.sort();
        channels
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {}", quoted(value));
}

/// A TOML string.
fn quoted(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

/// Lower-case letters, digits and hyphens.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let parts: String = text.chars().map(plain).collect();
    let slug = parts.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let slug: String = slug.chars().take(64).collect();
    if slug.is_empty() { "model".to_owned() } else { slug }
}

fn intended_use(text: &mut String, metadata: &Metadata) {
    let said = metadata.tensor("inputs", "image", 0).word("modality");
    let modality = match said.as_str() {
        "ct" => "[\"CT\"]",
        "mr" | "mri" => "[\"MR\"]",
        "x-ray" | "xray" | "dx" | "cr" => "[\"DX\", \"CR\"]",
        "us" | "ultrasound" => "[\"US\"]",
        _ => "[\"FILL IN\"]",
    };
    let _ = write!(
        text,
        "\n# {FILL_IN}: every study the model is not meant for must be kept out here: body_part, view, age_years_min,\n\
         # age_years_max, sex, manufacturer, slice_thickness_mm_max, pixel_spacing_mm_min, contrast, ...\n\
         [intended_use]\nmodality = {modality}\n"
    );
    if let Some(use_text) = metadata.text("intended_use") {
        let one_line: String = use_text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(text, "# The bundle says: {one_line}");
    }
}

fn fixed(tensor: &OnnxTensor, axis: usize) -> Option<u64> {
    match tensor.dims.as_ref()?.get(axis)? {
        OnnxDim::Fixed(length) => Some(*length),
        _ => None,
    }
}

fn input(text: &mut String, tensor: &OnnxTensor, said: Tensor) {
    let rank = tensor.dims.as_ref().map_or(4, Vec::len);
    let volume = rank == 5;
    let channels_last =
        rank == 4 && matches!(fixed(tensor, 3), Some(1 | 3)) && !matches!(fixed(tensor, 1), Some(1 | 3));
    let (images, layout) = match (volume, channels_last) {
        (true, _) => ("volume", "NCDHW"),
        (false, true) => ("first", "NHWC"),
        (false, false) => ("first", "NCHW"),
    };
    let channels = fixed(tensor, if channels_last { 3 } else { 1 }).or(said.number("num_channels")).unwrap_or(1);
    let dtype = match tensor.element_type {
        onnx::UINT8 => "uint8",
        onnx::INT64 => "int64",
        _ => "float32",
    };
    let _ = write!(
        text,
        "\n[[input]]\ntensor = {}\nimages = \"{images}\"\nlayout = \"{layout}\"\nchannels = {channels}\n\
         dtype = \"{dtype}\"\n# {FILL_IN}: the steps of training, in their order; one that is wrong is seen by nobody\n\
         preprocess = [\n  {{ op = \"modality_lut\" }},\n",
        quoted(&tensor.name)
    );
    if volume {
        text.push_str("  { op = \"orient\", axes = \"RAS\" },\n  # { op = \"resample\", spacing_mm = [1.5, 1.5, 2.0], interpolation = \"linear\" },\n");
    } else {
        text.push_str("  { op = \"monochrome2\" },\n");
        let first = if channels_last { 1 } else { 2 };
        if let (Some(rows), Some(columns)) = (fixed(tensor, first), fixed(tensor, first + 1)) {
            let _ =
                writeln!(text, "  {{ op = \"resize\", rows = {rows}, columns = {columns}, filter = \"triangle\" }},");
        }
    }
    if said.word("format") == "hounsfield" {
        text.push_str("  { op = \"scale\", from = [-1000.0, 1000.0], to = [0.0, 1.0] },\n");
    }
    text.push_str("]\n");
}

fn output(text: &mut String, tensor: &OnnxTensor, said: Tensor) {
    let rank = tensor.dims.as_ref().map_or(2, Vec::len);
    let tensor_name = quoted(&tensor.name);
    let mut channels = said.channels();
    if channels.is_empty() {
        let n = fixed(tensor, 1).or(said.number("num_channels")).unwrap_or(1).max(1);
        if rank < 4 && UNNAMED_MAX < n {
            let _ = write!(text, "\n[[output]]\nkind = \"embedding\"\ntensor = {tensor_name}\n");
            return;
        }
        let name = |channel: u64| (channel as usize, format!("{}-{channel}", slug(&tensor.name)));
        channels = (0..n.min(UNNAMED_MAX)).map(name).collect();
    }
    if 4 <= rank || said.word("format") == "segmentation" {
        let _ = write!(
            text,
            "\n# {FILL_IN}: whether the graph ends on an activation already\n[[output]]\nkind = \"segmentation\"\n\
             tensor = {tensor_name}\nactivation = \"none\"\n"
        );
        let structures = channels.iter().filter(|(_, name)| !name.to_lowercase().contains("background"));
        for (channel, name) in structures {
            let _ = write!(
                text,
                "\n  [[output.segment]]\n  label = \"{}\"\n  channel = {channel}\n  \
                 category = {{ value = \"123037004\", scheme = \"SCT\", meaning = \"Anatomical Structure\" }}\n  \
                 property_type = {{ value = \"{FILL_IN}\", scheme = \"SCT\", meaning = {} }}\n  \
                 display_rgb = [92, 184, 230]\n",
                slug(name),
                quoted(name)
            );
        }
        return;
    }
    let _ = write!(
        text,
        "\n# {FILL_IN}: whether the graph ends on an activation already, and which outputs are findings at all\n\
         [[output]]\nkind = \"classification\"\ntensor = {tensor_name}\nactivation = \"none\"\n"
    );
    for (channel, name) in channels {
        let _ = write!(
            text,
            "\n  [[output.finding]]\n  label = \"{}\"\n  \
             concept = {{ value = \"{FILL_IN}\", scheme = \"SCT\", meaning = {} }}\n  \
             score = {{ take = \"index\", index = {channel} }}\n  operating_point = 0.5 # {FILL_IN}: the maker's threshold\n",
            slug(&name),
            quoted(&name)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use serde_json::json;

    fn tensor(name: &str, dims: &[u64]) -> OnnxTensor {
        let dim = |length: &u64| if *length == 0 { OnnxDim::Dynamic("n".into()) } else { OnnxDim::Fixed(*length) };
        OnnxTensor { name: name.into(), element_type: onnx::FLOAT, dims: Some(dims.iter().map(dim).collect()) }
    }

    fn graph(inputs: Vec<OnnxTensor>, outputs: Vec<OnnxTensor>) -> OnnxSummary {
        OnnxSummary { inputs, outputs, ..OnnxSummary::default() }
    }

    /// What is written is a manifest but for the words that a person must put in their place.
    fn completed(text: &str) -> Manifest {
        assert!(text.contains(FILL_IN));
        Manifest::parse(&text.replace(FILL_IN, "decided")).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_classifier_of_images() {
        let metadata =
            json!({ "name": "Chest \"finder\"", "version": "0.4.1", "authors": "A Lab", "description": "d" });
        let text = manifest_skeleton(
            "folder",
            Some(&metadata),
            Some(&graph(
                vec![tensor("image", &[0, 1, 224, 224])],
                vec![tensor("scores", &[0, 2]), tensor("features", &[0, 64])],
            )),
        );
        let manifest = completed(&text);
        assert_eq!((manifest.package.name.as_str(), manifest.package.version.as_str()), ("chest-finder", "0.4.1"));
        assert_eq!(manifest.findings().map(|f| f.label.as_str()).collect::<Vec<_>>(), ["scores-0", "scores-1"]);
        assert!(text.contains("kind = \"embedding\"\ntensor = \"features\""), "{text}");
        assert!(text.contains("rows = 224, columns = 224"), "{text}");
    }

    #[test]
    fn a_segmenter_of_volumes() {
        let metadata = json!({ "network_data_format": {
            "inputs": { "image": { "modality": "CT", "format": "hounsfield", "num_channels": 1 } },
            "outputs": { "pred": { "format": "segmentation", "channel_def": { "0": "background", "1": "Spleen" } } } } });
        let text = manifest_skeleton(
            "spleen_ct v2",
            Some(&metadata),
            Some(&graph(vec![tensor("image", &[0, 1, 96, 96, 96])], vec![tensor("logits", &[0, 2, 96, 96, 96])])),
        );
        let manifest = completed(&text);
        assert!(manifest.is_volume());
        assert_eq!(manifest.intended_use.modality, ["CT"]);
        assert!(text.contains("label = \"spleen\"") && !text.contains("background"), "{text}");
        assert_eq!(manifest.package.name, "spleen-ct-v2");
    }

    #[test]
    fn without_anything_it_still_says_what_is_needed() {
        let text = manifest_skeleton("", None, None);
        assert!(text.contains("name = \"model\"") && text.contains("one [[input]]"), "{text}");
        toml::from_str::<toml::Table>(&text).unwrap();
    }
}
