//! Hostile and honest bodies: what any client may send.

use crate::binary::{Body, split};
use crate::number::Number;
use crate::request::{Elements, read_http};
use crate::{Datatype, ModelDescription, ModelEntry, TensorSpec};
use bytes::Bytes;
use hilum_registry::TensorData;
use proptest::prelude::*;
use serde_json::json;

fn model() -> ModelDescription {
    let tensor = |name: &str, shape: &[i64]| TensorSpec {
        name: name.to_owned(),
        datatype: Datatype::Fp32,
        shape: shape.to_vec(),
    };
    ModelDescription {
        entry: ModelEntry { name: "m".to_owned(), version: "1".to_owned() },
        versions: vec!["1".to_owned()],
        platform: "test".to_owned(),
        inputs: vec![tensor("x", &[1, -1, 2])],
        outputs: vec![tensor("y", &[1, 2])],
    }
}

/// Everything the HTTP handler does with a body before the model runs.
fn check(header: Option<&str>, body: &[u8]) -> Result<TensorData, String> {
    let model = model();
    let body = split(header.map(str::as_bytes), Bytes::copy_from_slice(body)).map_err(|e| e.to_string())?;
    let mut asked = read_http(body, &model).map_err(|e| e.to_string())?;
    asked.wanted(&model).map_err(|e| e.to_string())?;
    let mut tensors = asked.tensors(&model).map_err(|e| e.to_string())?;
    Ok(tensors.remove("x").expect("every input is there").into_parts().1)
}

fn refusal(header: Option<&str>, body: &str) -> String {
    check(header, body.as_bytes()).expect_err("it is refused")
}

#[test]
fn every_refusal_names_the_tensor_and_the_reason() {
    let json = |input: serde_json::Value| json!({ "inputs": [input] }).to_string();
    let x = |more: serde_json::Value| {
        let mut input = json!({ "name": "x", "datatype": "FP32", "shape": [1, 1, 2] });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json(input)
    };
    let mut table = String::new();
    for body in [
        "{}".to_owned(),
        x(json!({})),
        x(json!({ "data": [1] })),
        x(json!({ "data": [1, 2, 3] })),
        x(json!({ "data": ["a", "b"] })),
        x(json!({ "data": [1, 2], "parameters": { "binary_data_size": 8 } })),
        x(json!({ "parameters": { "binary_data_size": 8 } })),
        x(json!({ "data": [1, 2], "shape": [1, 1, 3] })),
        x(json!({ "data": [1, 2], "shape": [1, -1, 2] })),
        x(json!({ "data": [1, 2], "shape": [1, 2] })),
        x(json!({ "data": [1, 2], "datatype": "BYTES" })),
        x(json!({ "data": [1, 2], "datatype": "INT64" })),
        x(json!({ "data": [1, 2], "parameters": { "shared_memory_region": "r" } })),
        json(json!({ "name": "z", "datatype": "FP32", "shape": [1], "data": [1] })),
        json!({ "inputs": [], "outputs": [{ "name": "q" }] }).to_string(),
    ] {
        table += &refusal(None, &body);
        table += "\n";
    }
    insta::assert_snapshot!(table, @r#"
    input "x" is missing
    input "x" has neither data nor binary_data_size
    input "x" does not fill its shape: tensor of shape [1, 1, 2] cannot hold 1 elements (at most 8 axes and 2^31 elements)
    input "x" does not fill its shape: tensor of shape [1, 1, 2] cannot hold 3 elements (at most 8 axes and 2^31 elements)
    the request is not an inference request: invalid type: string "a", expected a number, a boolean or an array of them at line 1 column 23
    input "x" has both data and binary_data_size
    tensor "x": binary_data_size is 8, 0 bytes are left in the body
    input "x" has shape [1, 1, 3], the model takes [1, -1, 2]
    input "x" has shape [1, -1, 2], the model takes [1, -1, 2]
    input "x" has shape [1, 2], the model takes [1, -1, 2]
    datatype "BYTES" is not taken; use one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64
    input "x" is INT64, the model takes FP32
    parameter shared_memory_region is not offered here
    input "z" is not one of the model, which takes "x"
    output "q" is not one of the model, which has "y"
    "#);
}

#[test]
fn a_raw_body_fills_the_open_axis() {
    let values: Vec<u8> = (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect();
    assert_eq!(check(Some("0"), &values).unwrap(), TensorData::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    assert!(check(Some("0"), &values[1..]).is_err());
    for header in ["", "+1", "-1", " 1", "1e3", "99999999999999999999", "7"] {
        assert!(check(Some(header), b"{}").is_err(), "{header:?}");
    }
}

#[test]
fn too_much_json_is_refused_before_it_is_read() {
    let body = Bytes::from(vec![b' '; crate::binary::JSON_BYTES_MAX + 1]);
    assert!(matches!(split(None, body.clone()), Err(crate::OipError::TooLarge(_))));
    assert!(matches!(split(Some(b"0"), body), Ok(Body::Raw(_))), "bytes may be larger");
}

proptest! {
    /// No body, and no header, does any harm.
    #[test]
    fn any_bytes_do_no_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..256),
        header in proptest::option::of("[0-9]{0,4}|[ -~]{0,6}"),
    ) {
        let _ = check(header.as_deref(), &bytes);
    }

    /// Documents of the right form with any numbers in them.
    #[test]
    fn any_sizes_do_no_harm(
        shape in proptest::collection::vec(any::<i64>(), 0..5),
        size in any::<u64>(),
        tail in proptest::collection::vec(any::<u8>(), 0..64),
        cut in -2i64..3,
    ) {
        let input = json!({ "name": "x", "datatype": "FP32", "shape": shape, "parameters": { "binary_data_size": size } });
        let json = json!({ "inputs": [input] }).to_string();
        let body = [json.as_bytes(), &tail].concat();
        let header = (json.len() as i64 + cut).to_string();
        let _ = check(Some(&header), &body);
    }

    /// What is framed rightly comes out as it went in, and a byte more or less does not.
    #[test]
    fn framed_values_come_out(values in proptest::collection::vec(any::<[u32; 2]>(), 1..8)) {
        let bits: Vec<u32> = values.concat();
        let tail: Vec<u8> = bits.iter().flat_map(|v| v.to_le_bytes()).collect();
        let parameters = json!({ "binary_data_size": tail.len() });
        let input = json!({ "name": "x", "datatype": "FP32", "shape": [1, values.len(), 2], "parameters": parameters });
        let json = json!({ "inputs": [input] }).to_string();
        let header = json.len().to_string();
        let body = [json.as_bytes(), &tail].concat();
        let TensorData::F32(found) = check(Some(&header), &body).unwrap() else { panic!("another type") };
        prop_assert_eq!(found.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), bits);
        prop_assert!(check(Some(&header), &body[..body.len() - 1]).is_err());
        prop_assert!(check(Some(&header), &[body.as_slice(), b"x"].concat()).is_err());
    }

    /// JSON numbers and bytes say the same.
    #[test]
    fn numbers_and_bytes_agree(values in proptest::collection::vec(-1000i64..1000, 2)) {
        let json = json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1, 1, 2], "data": [values] }] });
        let bytes: Vec<u8> = values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
        prop_assert_eq!(check(None, json.to_string().as_bytes()).unwrap(), check(Some("0"), &bytes).unwrap());
    }
}

#[test]
fn elements_keep_their_origin() {
    let body = Body::Json(Bytes::from_static(
        br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1,2],"data":[[1,2.5]]}]}"#,
    ));
    let asked = read_http(body, &model()).unwrap();
    let Elements::Numbers(numbers) = &asked.inputs[0].elements else { panic!("not numbers") };
    assert_eq!(numbers.as_slice(), [Number::Integer(1), Number::Float(2.5)]);
}
