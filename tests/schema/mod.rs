//! The part of JSON Schema 2020-12 that docs/schemas uses. A keyword that it does not know fails: nothing passes unchecked.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Holds `value` against `schema`, whose `$ref`s point into itself. The error says where and why.
pub fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let mut known = BTreeSet::new();
    Checker { root: schema }.check(schema, value, "$", &mut known)
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    /// `known` gathers the names of properties that some part of the schema speaks of.
    fn check(&self, schema: &Value, value: &Value, at: &str, known: &mut BTreeSet<String>) -> Result<(), String> {
        if let Value::Bool(allowed) = schema {
            return demand(*allowed, at, "is not allowed");
        }
        let rules = schema.as_object().ok_or_else(|| format!("{at}: the schema is not an object"))?;
        if let Some(properties) = rules.get("properties").and_then(Value::as_object) {
            known.extend(properties.keys().cloned());
        }
        for (keyword, rule) in rules {
            self.keyword(keyword, rule, rules, value, at, known)?;
        }
        if rules.get("unevaluatedProperties") == Some(&Value::Bool(false)) {
            for name in value.as_object().into_iter().flat_map(Map::keys) {
                demand(known.contains(name), at, &format!("has {name}, which was not promised"))?;
            }
        }
        Ok(())
    }

    fn keyword(
        &self,
        keyword: &str,
        rule: &Value,
        rules: &Map<String, Value>,
        value: &Value,
        at: &str,
        known: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        let limit = || rule.as_f64().ok_or_else(|| format!("{at}: {keyword} is no number"));
        match keyword {
            "$schema" | "$id" | "$defs" | "title" | "description" | "unevaluatedProperties" => Ok(()),
            "$ref" => {
                let target = rule.as_str().and_then(|path| self.root.pointer(path.trim_start_matches('#')));
                self.check(target.ok_or_else(|| format!("{at}: {rule} leads nowhere"))?, value, at, known)
            }
            "type" => {
                let fits = |name: &Value| name.as_str().is_some_and(|name| is(name, value));
                demand(
                    fits(rule) || rule.as_array().is_some_and(|names| names.iter().any(fits)),
                    at,
                    &format!("is not {rule}"),
                )
            }
            "const" => demand(value == rule, at, &format!("is not {rule}")),
            "enum" => demand(rule.as_array().is_some_and(|all| all.contains(value)), at, &format!("is none of {rule}")),
            "format" if rule == "date-time" => {
                let time = value.as_str().is_some_and(|text| humantime::parse_rfc3339(text).is_ok());
                demand(time, at, "is no RFC 3339 time in UTC")
            }
            "minimum" => demand(value.as_f64() >= Some(limit()?) || !value.is_number(), at, "is too small"),
            "maximum" => demand(value.as_f64() <= Some(limit()?) || !value.is_number(), at, "is too large"),
            "required" => rule
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .try_for_each(|name| demand(value.get(name).is_some(), at, &format!("has no {name}"))),
            "properties" => rule.as_object().into_iter().flatten().try_for_each(|(name, schema)| {
                value.get(name).map_or(Ok(()), |inner| self.alone(schema, inner, &format!("{at}.{name}")))
            }),
            "additionalProperties" => value.as_object().into_iter().flatten().try_for_each(|(name, inner)| {
                let spoken_of = rules.get("properties").is_some_and(|properties| properties.get(name).is_some());
                if spoken_of { Ok(()) } else { self.alone(rule, inner, &format!("{at}.{name}")) }
            }),
            "items" => {
                let first = rules.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                let rest = value.as_array().into_iter().flatten().enumerate().skip(first);
                rest.into_iter().try_for_each(|(n, inner)| self.alone(rule, inner, &format!("{at}[{n}]")))
            }
            "prefixItems" => rule.as_array().into_iter().flatten().enumerate().try_for_each(|(n, schema)| {
                value.get(n).map_or(Ok(()), |inner| self.alone(schema, inner, &format!("{at}[{n}]")))
            }),
            "minItems" => demand(
                value.as_array().is_none_or(|all| all.len() as f64 >= limit().unwrap_or(0.0)),
                at,
                "is too short",
            ),
            "maxItems" => {
                demand(value.as_array().is_none_or(|all| all.len() as f64 <= limit().unwrap_or(0.0)), at, "is too long")
            }
            "anyOf" => self.some_of(rule, value, at, known).map(drop),
            "oneOf" => {
                let fitting = self.some_of(rule, value, at, known)?;
                demand(fitting == 1, at, &format!("fits {fitting} alternatives instead of one"))
            }
            other => Err(format!("{at}: the checker does not know the keyword {other}")),
        }
    }

    /// A value inside the value: what it has is its own.
    fn alone(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        self.check(schema, value, at, &mut BTreeSet::new())
    }

    /// How many alternatives fit, at least one; their properties become known.
    fn some_of(&self, rule: &Value, value: &Value, at: &str, known: &mut BTreeSet<String>) -> Result<usize, String> {
        let (mut fitting, mut reasons) = (0, Vec::new());
        for alternative in rule.as_array().into_iter().flatten() {
            let mut names = BTreeSet::new();
            match self.check(alternative, value, at, &mut names) {
                Ok(()) => {
                    fitting += 1;
                    known.append(&mut names);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        if fitting == 0 { Err(format!("{at}: fits no alternative: {}", reasons.join("; "))) } else { Ok(fitting) }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn demand(holds: bool, at: &str, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{at} {otherwise}")) }
}
