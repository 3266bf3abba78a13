//! Every message that is published is what docs/asyncapi.yaml promises.

mod scenes;
mod schema;

use arenad::config::Encoding;
use arenad::handover::{Identity, LiveName, Settled};
use arenad::ledger::Ledger;
use arenad::sink::wire::*;
use arenad::stamp::{Clock, Monotonic};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Holds a value against docs/schemas/`kind`.json.
fn check(kind: &str, value: &Value) -> Result<(), String> {
    let file = docs().join("schemas").join(format!("{kind}.json"));
    let schema: Value = serde_json::from_slice(&std::fs::read(file).expect("the schema")).expect("JSON");
    schema::check(&schema, value).map_err(|error| format!("{error}\n{value:#}"))
}

/// The message as each encoding carries it, read back.
fn sent(message: &impl Serialize) -> [Value; 2] {
    let json = Encoder::new(Encoding::Json).encode(message).expect("writes").to_vec();
    let pack = Encoder::new(Encoding::MessagePack).encode(message).expect("writes").to_vec();
    [serde_json::from_slice(&json).expect("JSON"), rmp_serde::from_slice(&pack).expect("MessagePack")]
}

fn hold(kind: &str, message: &impl Serialize) {
    for value in sent(message) {
        check(kind, &value).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn scenes_are_as_promised() {
    let (about, clock) = (scenes::about("a1"), Clock::new());
    let scene = scenes::scene(scenes::stamp(2, &clock));
    hold("scene", &SceneMessage::new(&about.names, &scene, clock.wall()));
    let [json, _] = sent(&SceneMessage::new(&about.names, &scene, clock.wall()));
    assert_eq!((&json["skipped"], &json["animals"][3]["id"]), (&Value::from(1), &Value::from("?")));
}

#[test]
fn settled_scenes_are_as_promised() {
    let (about, clock) = (scenes::about("a1"), Clock::new());
    let mut settled = Settled::as_live(scenes::scene(scenes::stamp(2, &clock)));
    settled.live[0] = LiveName { identity: Some(Identity(1)), p: Some(0.625) };
    settled.live[3] = LiveName::default();
    hold("settled", &SceneMessage::settled(&about.names, &settled, clock.wall()));
    let [json, _] = sent(&SceneMessage::settled(&about.names, &settled, clock.wall()));
    assert_eq!(json["animals"][0]["id"], "R");
    assert_eq!(json["animals"][0]["live"], serde_json::json!({"id": "G", "p": 0.625}));
    assert_eq!(json["animals"][3]["live"], serde_json::json!({"id": "?", "p": null}));
    assert!(
        check("scene", &json).is_err()
            && check("settled", &sent(&SceneMessage::new(&about.names, &settled.scene, clock.wall()))[0]).is_err()
    );
}

#[test]
fn every_kind_of_event_is_as_promised() {
    let (about, clock) = (scenes::about("a1"), Clock::new());
    let stamp = scenes::stamp(9, &clock);
    for event in scenes::events() {
        hold("event", &EventMessage::new(&about.names, &stamp, &event));
    }
    for state in [CameraState::Starting, CameraState::Live, CameraState::Retrying] {
        let report = CameraReport { state, since: clock.wall(), detail: "no picture for 3.0 s".into() };
        hold("event", &EventMessage::camera(&about.names, &report));
    }
}

#[test]
fn statistics_are_as_promised() {
    let (about, ledger, clock) = (scenes::about("a1"), Ledger::default(), Clock::new());
    ledger.counters.scenes.add(3);
    ledger.latencies.decode.record(1_234_567);
    let rates = Rates { units_hz: 30.0, ..Rates::default() };
    let states = (CameraState::Live, BrokerState::Connected, 1);
    let stats = || StatsMessage::new(&about.names, &ledger, states, rates, (clock.wall(), Monotonic(1_500_000_000)));
    hold("stats", &stats());
    let mut board = BoardMessage::default();
    board.temperatures_c.insert("cpu-thermal".into(), 51.5);
    board.powers_w.insert("VDD_IN".into(), 6.001);
    board.cooling.insert("cpu-throttle-alert".into(), 2);
    board.overcurrents.insert("oc3".into(), 0);
    hold("stats", &stats().with_board(board));
}

#[test]
fn every_status_is_as_promised() {
    let (about, clock) = (scenes::about("a1"), Clock::new());
    let report = CameraReport { state: CameraState::Live, since: clock.wall(), detail: String::new() };
    use DaemonState::*;
    let engines = [
        EngineReport::Runs { engine: "none", precision: "fp32" },
        EngineReport::Opening { since: clock.wall(), detail: "building".to_owned() },
    ];
    for engine in &engines {
        for state in [Opening, Starting, Live, Retrying, Stopped, Offline] {
            let end = Some((state, clock.wall()));
            hold("status", &StatusMessage::new(&about.names, (&about.model, engine), &report, end));
        }
    }
    let [json, _] = sent(&StatusMessage::new(&about.names, (&about.model, &engines[1]), &report, None));
    assert_eq!(
        (&json["state"], &json["detail"], &json["engine"]),
        (&"opening".into(), &"building".into(), &Value::Null)
    );
}

#[test]
fn the_schemas_refuse_what_was_not_promised() {
    let (about, clock) = (scenes::about("a1"), Clock::new());
    let scene = scenes::scene(scenes::stamp(2, &clock));
    let [mut json, _] = sent(&SceneMessage::new(&about.names, &scene, clock.wall()));
    json["animals"][0]["keypoints"]["nose"] = serde_json::json!([0, 0]);
    assert!(check("scene", &json).is_err());
    let [mut json, _] = sent(&EventMessage::new(&about.names, &scene.stamp, &scenes::events()[0]));
    json["more"] = Value::from(1);
    assert!(check("event", &json).is_err());
}

#[test]
fn the_description_names_every_schema_and_topic() {
    let text = std::fs::read_to_string(docs().join("asyncapi.yaml")).expect("the description");
    for kind in ["scene", "settled", "event", "stats", "status"] {
        assert!(text.contains(&format!("./schemas/{kind}.json")), "{kind}");
        assert!(text.contains(&format!("address: arenad/{{arena}}/{kind}")), "{kind}");
    }
}
