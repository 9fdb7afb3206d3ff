//! The published descriptions of the JSON that commands write (JSON Schema, draft 2020-12).

use clap::ValueEnum;
use serde_json::{Map, Value};

/// What is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    /// The result of a run.
    Run,
    /// A sweep.
    Sweep,
    /// A search.
    Search,
    /// A comparison.
    Compare,
    /// A calibration.
    Calibrate,
    /// A run with a hub.
    Pubsub,
}

/// The result of a run, to which the others refer.
const RUN: &str = include_str!("../../../schema/tidemill-loadgen-2.schema.json");
/// How they refer to it, among the files.
const RUN_ID: &str = "urn:tidemill:loadgen:2";
/// What stands for it within one document.
const RUN_NAME: &str = "Run";

impl Schema {
    /// The description, which needs no other: what it refers to is in it, since few validators would find a name that is
    /// no address.
    pub fn text(self) -> String {
        match self {
            Self::Run => RUN.to_owned(),
            Self::Sweep => bundled(include_str!("../../../schema/tidemill-loadgen-sweep-1.schema.json")),
            Self::Search => bundled(include_str!("../../../schema/tidemill-loadgen-search-1.schema.json")),
            Self::Compare => {
                include_str!("../../../schema/tidemill-loadgen-compare-1.schema.json").to_owned()
            }
            Self::Pubsub => include_str!("../../../schema/tidemill-loadgen-pubsub-1.schema.json").to_owned(),
            Self::Calibrate => {
                bundled(include_str!("../../../schema/tidemill-loadgen-calibrate-1.schema.json"))
            }
        }
    }
}

/// A description with that of a run, and all that this one refers to, among its own definitions.
fn bundled(text: &str) -> String {
    let text = text.replace(&format!("\"{RUN_ID}\""), &format!("\"#/$defs/{RUN_NAME}\""));
    let mut whole = object(&text);
    let mut run = object(RUN);
    let mut definitions = Map::new();
    for fields in [whole.remove("$defs"), run.remove("$defs")] {
        if let Some(Value::Object(fields)) = fields {
            definitions.extend(fields);
        }
    }
    // Only a whole document has these.
    for word in ["$schema", "$id", "title"] {
        run.remove(word);
    }
    definitions.insert(RUN_NAME.to_owned(), Value::Object(run));
    whole.insert("$defs".to_owned(), Value::Object(definitions));
    format!("{:#}\n", Value::Object(whole))
}

/// The fields of a description that is built in.
fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).expect("what is built in was read by a test")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compare;
    use crate::result::example::{example, example_at};
    use crate::result::{Latency, Mismatch, Tls};

    /// The words of JSON Schema that ours is written in; one more would be one that is not checked here.
    const WORDS: [&str; 17] = [
        "$schema",
        "$id",
        "$defs",
        "$ref",
        "title",
        "description",
        "type",
        "required",
        "properties",
        "additionalProperties",
        "propertyNames",
        "items",
        "anyOf",
        "enum",
        "const",
        "minimum",
        "maximum",
    ];
    /// Words that say something to people only.
    const REMARKS: [&str; 2] = ["format", "contentEncoding"];

    /// Everything in which a value is not what its schema says, by its path.
    fn check(root: &Value, schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let definition = root.pointer(&name[1..]).unwrap_or_else(|| panic!("{name} is missing"));
            check(root, definition, value, path, wrong);
        }
        let mut refuse = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{path}: {value} is not of {what}"));
            }
        };
        refuse(schema["enum"].is_null() || schema["enum"].as_array().unwrap().contains(value), "enum");
        refuse(schema["const"].is_null() || schema["const"] == *value, "const");
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        refuse(types.is_empty() || types.iter().any(|name| is_of(name.as_str().unwrap(), value)), "type");
        for (word, sign) in [("minimum", 1.0), ("maximum", -1.0)] {
            if let (Some(bound), Some(number)) = (schema[word].as_f64(), value.as_f64()) {
                refuse(bound * sign <= number * sign, word);
            }
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let fits = |choice: &Value| {
                let mut wrong = Vec::new();
                check(root, choice, value, path, &mut wrong);
                wrong.is_empty()
            };
            refuse(choices.iter().any(fits), "anyOf");
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            values
                .iter()
                .enumerate()
                .for_each(|(at, value)| check(root, items, value, &format!("{path}[{at}]"), wrong));
        }
        if let Some(fields) = value.as_object() {
            check_fields(root, schema, fields, path, wrong);
        }
    }

    fn check_fields(
        root: &Value,
        schema: &Value,
        fields: &Map<String, Value>,
        path: &str,
        wrong: &mut Vec<String>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                wrong.push(format!("{path}: {name} is missing"));
            }
        }
        for (name, value) in fields {
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(property), _) => check(root, property, value, &format!("{path}.{name}"), wrong),
                (None, Value::Bool(false)) => wrong.push(format!("{path}: {name} is not in the schema")),
                (None, Value::Null) => {}
                (None, more) => check(root, more, value, &format!("{path}.{name}"), wrong),
            }
        }
    }

    fn is_of(name: &str, value: &Value) -> bool {
        match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("{other} is no type"),
        }
    }

    fn parsed(schema: Schema) -> Value {
        serde_json::from_str(&schema.text()).unwrap()
    }

    fn wrong(value: &Value) -> Vec<String> {
        wrong_in(Schema::Run, value)
    }

    fn wrong_in(schema: Schema, value: &Value) -> Vec<String> {
        let schema = parsed(schema);
        let mut wrong = Vec::new();
        check(&schema, &schema, value, "$", &mut wrong);
        wrong
    }

    #[test]
    fn results_are_what_the_schema_says() {
        let mut full = example();
        full.tls = Some(Tls {
            insecure: true,
            resumption: true,
            handshakes: [("a".to_owned(), 1)].into(),
            resumed: 0,
        });
        full.counts.first_mismatch = Some(Mismatch { connection: 1, position: 2, expected: 3, found: 4 });
        full.counts.statuses = [(404, 1)].into();
        full.counts.errors = [("reset".to_owned(), 1)].into();
        full.problems = vec!["something".to_owned()];
        let mut sparse = example();
        (sparse.server, sparse.config.arrivals, sparse.config.rate) = (None, None, None);
        sparse.latency.response = Latency::default();
        sparse.series.clear();
        for result in [example(), full, sparse] {
            let found = wrong(&serde_json::to_value(&result).unwrap());
            assert!(found.is_empty(), "{found:#?}");
        }
    }

    #[test]
    fn several_runs_are_what_their_schemas_say() {
        let check = |schema: Schema, value: Value| {
            let found = wrong_in(schema, &value);
            assert!(found.is_empty(), "{schema:?}: {found:#?}");
        };
        let runs = [example_at(5000.0), example()];
        let mut measure = |point| match point {
            crate::sweep::Point::Rate(rate) => Ok(example_at(rate)),
            crate::sweep::Point::Connections(_) => Err("not asked for"),
        };
        let axis = crate::sweep::Axis::Rates(vec![1000.0, 2000.0]);
        let (sweep, _) = crate::sweep::sweep(&axis, None, &mut measure, &mut |_, _| ());
        check(Schema::Sweep, serde_json::to_value(&sweep).unwrap());
        let aim = crate::search::Aim {
            objectives: vec!["p99<400us".parse().unwrap()],
            min_ok: crate::search::MinOk(0.999),
            from: 2000.0,
            most: 20_000.0,
        };
        let mut measure = |probe: crate::search::Probe| Ok::<_, String>(example_at(probe.rate));
        let search = crate::search::search(&aim, &mut measure, &mut |_| ()).unwrap();
        assert!(search.probes.iter().any(|probe| probe.reason.is_some()), "both kinds of probes are there");
        check(Schema::Search, serde_json::to_value(&search).unwrap());
        let mut comparison = compare::compare(&runs[..1], &runs[..1], false, 1).unwrap();
        comparison.regressions = compare::judge(&comparison, &["p99:5%".parse().unwrap()]);
        check(Schema::Compare, serde_json::to_value(&comparison).unwrap());
        check(Schema::Calibrate, serde_json::to_value(crate::calibrate::example()).unwrap());
        let pubsub = crate::pubsub::result::example();
        let sparse = crate::pubsub::result::PubsubResult { server: None, ..pubsub.clone() };
        let cut = crate::pubsub::result::Stuck { first_cut_s: Some(1.5), ..Default::default() };
        let stuck = crate::pubsub::result::PubsubResult { stuck: Some(cut), ..pubsub.clone() };
        [pubsub, sparse, stuck]
            .iter()
            .for_each(|one| check(Schema::Pubsub, serde_json::to_value(one).unwrap()));
    }

    /// Every reference leads to a definition in the same document, and no definition hides another of the same name.
    #[test]
    fn each_description_needs_no_other() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        for schema in Schema::value_variants() {
            let (whole, mut found) = (parsed(*schema), Vec::new());
            references(&whole, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                let place = reference.strip_prefix('#').unwrap_or_else(|| panic!("{schema:?}: {reference}"));
                assert!(whole.pointer(place).is_some(), "{schema:?}: {reference}");
            }
        }
        let count = |text: &str| object(text)["$defs"].as_object().unwrap().len();
        let own = include_str!("../../../schema/tidemill-loadgen-search-1.schema.json");
        assert_eq!(count(&Schema::Search.text()), count(own) + count(RUN) + 1);
        let own = include_str!("../../../schema/tidemill-loadgen-calibrate-1.schema.json");
        assert_eq!(count(&Schema::Calibrate.text()), count(own) + count(RUN) + 1);
    }

    #[test]
    fn what_is_no_result_is_not() {
        let spoiled = |pointer: &str, value: Value| {
            let mut json = serde_json::to_value(example()).unwrap();
            *json.pointer_mut(pointer).unwrap() = value;
            wrong(&json)
        };
        assert_eq!(spoiled("/schema", json!("tidemill-loadgen/1")).len(), 1);
        assert_eq!(spoiled("/verdict", json!("fine")).len(), 1);
        assert_eq!(spoiled("/requests/ok", json!(-1)).len(), 1);
        assert_eq!(spoiled("/series/0/response/p50_us", json!("fast")).len(), 1);
        assert_eq!(spoiled("/server", json!({"source": 1})).len(), 1);
        // Six fields are missing, and one is not known.
        assert_eq!(spoiled("/throughput", json!({"more": 1})).len(), 7);
    }

    #[test]
    fn everything_is_described_in_words_that_are_checked() {
        fn walk(schema: &Value, path: &str, is_named: bool) {
            let Some(fields) = schema.as_object() else { return };
            for (name, value) in fields {
                let inside = format!("{path}/{name}");
                match (is_named, name.as_str()) {
                    (true, _) => {
                        assert!(value["description"].is_string(), "{inside} has no description");
                        walk(value, &inside, false);
                    }
                    (false, "properties" | "$defs") => walk(value, &inside, true),
                    (false, "items" | "additionalProperties") => walk(value, &inside, false),
                    (false, word) => assert!(WORDS.contains(&word) || REMARKS.contains(&word), "{inside}"),
                }
            }
        }
        Schema::value_variants().iter().for_each(|schema| walk(&parsed(*schema), "", false));
    }
}
