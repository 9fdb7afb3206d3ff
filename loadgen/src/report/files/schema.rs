//! The published descriptions of the JSON that commands write (JSON Schema, draft 2020-12).

use clap::ValueEnum;

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
}

impl Schema {
    /// The description. All but the first refer to that one for the results of runs.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Run => include_str!("../../../schema/tidemill-loadgen-2.schema.json"),
            Self::Sweep => include_str!("../../../schema/tidemill-loadgen-sweep-1.schema.json"),
            Self::Search => include_str!("../../../schema/tidemill-loadgen-search-1.schema.json"),
            Self::Compare => include_str!("../../../schema/tidemill-loadgen-compare-1.schema.json"),
            Self::Calibrate => include_str!("../../../schema/tidemill-loadgen-calibrate-1.schema.json"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
        if let Some(name) = schema["$ref"].as_str().filter(|name| name.starts_with("urn:")) {
            let run = parsed(Schema::Run);
            assert_eq!(run["$id"], name, "a reference leads to the result of a run");
            check(&run, &run, value, path, wrong);
        } else if let Some(name) = schema["$ref"].as_str() {
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
        fields: &serde_json::Map<String, Value>,
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
        serde_json::from_str(schema.text()).unwrap()
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
