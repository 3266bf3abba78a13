//! Which rules a scene sets off: a pure function of the scenes so far.
//!
//! A rule fires when its keypoint comes into its zone: it was outside, or not known for `FORGOTTEN`, and now it is inside,
//! seen, sure enough, on an animal whose name is sure enough. It then rests by the stamps' time. Leaving takes a step of
//! `MARGIN_PX` out of the zone, so that a keypoint that trembles on the border fires once.

use crate::config::{self, MAX_RULES};
use crate::handover::{Animal, Identity, MAX_ANIMALS, MAX_KEYPOINTS, Scene, State, Zone};
use crate::stamp::Elapsed;
use crate::zones::Zones;
use heapless::Vec;
use std::time::Duration;

/// A keypoint that was inside and then not known for longer than this is taken for outside.
const FORGOTTEN: Duration = Duration::from_millis(500);
/// How far outside a zone counts as having left it, camera pixels.
const MARGIN_PX: f32 = 2.0;

/// What the model calls things, each in the model's order.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Body parts.
    pub keypoints: &'a [String],
    /// Animals.
    pub identities: &'a [String],
}

/// A rule that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Index of the rule in the configuration.
    pub rule: u8,
    /// Who set it off.
    pub identity: Identity,
    /// How long the pin is to be set.
    pub pulse: Duration,
}

/// All rules of an arena, with what they remember.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: std::vec::Vec<Rule>,
    zones: Zones,
    elapsed: Elapsed,
}

#[derive(Clone, Debug)]
struct Rule {
    identity: Option<Identity>,
    keypoint: usize,
    zone: Zone,
    p_min: f32,
    score_min: f32,
    pulse: Duration,
    rest: Duration,
    /// When each identity's keypoint was last known inside; `None` when it is outside.
    inside: [Option<Duration>; MAX_ANIMALS],
    fired: Option<Duration>,
}

impl Rules {
    /// Resolves the names that the rules use. All complaints come at once, each as `rule NAME: what`.
    pub fn new(rules: &[config::Rule], names: Names<'_>, zones: &Zones) -> Result<Self, std::vec::Vec<String>> {
        let mut complaints = std::vec::Vec::new();
        if rules.len() > MAX_RULES {
            complaints
                .push(format!("rules: {} are given; at most {MAX_RULES} are allowed; leave some out", rules.len()));
        }
        let mut resolved = std::vec::Vec::new();
        for rule in rules.iter().take(MAX_RULES) {
            match resolve(rule, names, zones) {
                Ok(rule) => resolved.push(rule),
                Err(wrong) => complaints.extend(wrong.into_iter().map(|what| format!("rule {}: {what}", rule.name))),
            }
        }
        if complaints.is_empty() {
            Ok(Self { rules: resolved, zones: zones.clone(), elapsed: Elapsed::default() })
        } else {
            Err(complaints)
        }
    }

    /// What the scene sets off, in the order of the rules; each rule at most once a scene.
    pub fn decide(&mut self, scene: &Scene) -> Vec<Decision, MAX_RULES> {
        self.elapsed.advance(scene.stamp.captured);
        let now = self.elapsed.total();
        let mut decisions = Vec::new();
        for (index, rule) in self.rules.iter_mut().enumerate() {
            for animal in &scene.animals {
                let Some(identity) = animal.identity.filter(|id| rule.identity.is_none_or(|wanted| wanted == *id))
                else {
                    continue;
                };
                if rule.entered(animal, identity, &self.zones, now) && rule.rested(now) {
                    rule.fired = Some(now);
                    // There is room: a rule that has just fired rests.
                    let _ = decisions.push(Decision { rule: index as u8, identity, pulse: rule.pulse });
                }
            }
        }
        decisions
    }
}

impl Rule {
    /// The animal's keypoint is in the zone now and was not before.
    fn entered(&mut self, animal: &Animal, identity: Identity, zones: &Zones, now: Duration) -> bool {
        let Some(inside) = self.inside.get_mut(usize::from(identity.0)) else { return false };
        let seen = animal.state == State::Seen && !animal.predicted.contains(self.keypoint);
        let known = seen && animal.p >= self.p_min;
        let keypoint = animal.keypoints.get(self.keypoint).copied().flatten();
        let Some(keypoint) = keypoint.filter(|k| known && k.score >= self.score_min && k.at.is_finite()) else {
            *inside = inside.filter(|since| now.saturating_sub(*since) <= FORGOTTEN);
            return false;
        };
        let was_inside = inside.is_some_and(|since| now.saturating_sub(since) <= FORGOTTEN);
        if zones.contains(self.zone, keypoint.at) {
            *inside = Some(now);
            return !was_inside;
        }
        if was_inside && zones.border_distance(self.zone, keypoint.at) < MARGIN_PX {
            *inside = Some(now);
        } else {
            *inside = None;
        }
        false
    }

    fn rested(&self, now: Duration) -> bool {
        self.fired.is_none_or(|fired| fired < now && now.saturating_sub(fired) >= self.rest)
    }
}

fn resolve(rule: &config::Rule, names: Names<'_>, zones: &Zones) -> Result<Rule, std::vec::Vec<String>> {
    let mut wrong = std::vec::Vec::new();
    let mut find = |kind: &str, wanted: &str, allowed: &[&str], most: usize| {
        let found = allowed.iter().take(most).position(|name| *name == wanted);
        if found.is_none() {
            let list = if allowed.is_empty() { "there is none".to_owned() } else { allowed.join(", ") };
            wrong.push(format!("{kind} = \"{wanted}\" is not known; known: {list}; use one of them"));
        }
        found.unwrap_or_default()
    };
    fn words(names: &[String]) -> std::vec::Vec<&str> {
        names.iter().map(String::as_str).collect()
    }
    let identity = rule.identity.as_deref();
    let identity = identity.map(|name| Identity(find("identity", name, &words(names.identities), MAX_ANIMALS) as u8));
    let keypoint = find("keypoint", &rule.keypoint, &words(names.keypoints), MAX_KEYPOINTS);
    let zone = find("zone", &rule.zone, &zones.names().collect::<std::vec::Vec<_>>(), usize::MAX);
    for (key, value) in [("p_min", rule.p_min), ("score_min", rule.score_min)] {
        if !(0.0..=1.0).contains(&value) {
            wrong.push(format!("{key} = {value} is out of range; 0 to 1 is allowed; correct it"));
        }
    }
    if rule.pulse.is_zero() || rule.rest < rule.pulse {
        let (pulse, rest) = (rule.pulse.as_millis(), rule.rest.as_millis());
        wrong.push(format!(
            "pulse_ms = {pulse} with rest_ms = {rest}; a pulse must be above 0 and the rest at least as long; correct them"
        ));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Rule {
        identity,
        keypoint,
        zone: Zone(zone as u8),
        p_min: rule.p_min,
        score_min: rule.score_min,
        pulse: rule.pulse,
        rest: rule.rest,
        inside: [None; MAX_ANIMALS],
        fired: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::Keypoint;
    use crate::space::InCamera;
    use crate::stamp::{Stamp, WallTime};

    fn zones() -> Zones {
        let corners = vec![(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)];
        Zones::new(&[config::ZoneArea { name: "Feeder".into(), sheltered: false, corners }]).unwrap()
    }

    fn written() -> config::Rule {
        config::Rule {
            name: "feed".into(),
            identity: Some("G".into()),
            keypoint: "nose".into(),
            zone: "Feeder".into(),
            p_min: 0.8,
            score_min: 0.5,
            pulse: Duration::from_millis(50),
            rest: Duration::from_millis(2000),
        }
    }

    fn known() -> (std::vec::Vec<String>, std::vec::Vec<String>) {
        (["tail", "nose"].map(String::from).to_vec(), ["R", "G"].map(String::from).to_vec())
    }

    fn resolved(rule: config::Rule) -> Result<Rules, std::vec::Vec<String>> {
        let (keypoints, identities) = known();
        Rules::new(&[rule], Names { keypoints: &keypoints, identities: &identities }, &zones())
    }

    fn nose(millis: i64, x: f32, change: impl Fn(&mut Animal)) -> Scene {
        let mut keypoints = [None; MAX_KEYPOINTS];
        keypoints[1] = Some(Keypoint { at: InCamera { x, y: 5.0 }, score: 0.9 });
        let mut animal = Animal {
            identity: Some(Identity(1)),
            p: 0.9,
            track: None,
            state: State::Seen,
            centre: None,
            zone: None,
            keypoints,
            predicted: Default::default(),
            vanished: None,
        };
        change(&mut animal);
        let stamp = Stamp { captured: WallTime(millis * 1_000_000), ..Stamp::default() };
        let mut scene = Scene { stamp, ..Scene::default() };
        scene.animals.push(animal).unwrap();
        scene
    }

    /// How often the rule fires over (millisecond, x) of the nose.
    fn fires(rules: &mut Rules, noses: &[(i64, f32)]) -> usize {
        noses.iter().map(|(millis, x)| rules.decide(&nose(*millis, *x, |_| ())).len()).sum()
    }

    #[test]
    fn a_rule_fires_on_entering_and_not_while_inside() {
        let mut rules = resolved(written()).unwrap();
        assert_eq!(fires(&mut rules, &[(0, 50.0), (33, 20.0)]), 0);
        assert_eq!(fires(&mut rules, &[(66, 5.0)]), 1);
        assert_eq!(fires(&mut rules, &[(100, 5.0), (3000, 5.0), (3033, 6.0), (3066, 6.0)]), 1, "forgotten after a gap");
        assert_eq!(fires(&mut rules, &[(3100, 6.0), (3133, 5.0)]), 0);
    }

    #[test]
    fn it_rests_after_firing() {
        let mut rules = resolved(written()).unwrap();
        assert_eq!(fires(&mut rules, &[(0, 5.0), (33, 50.0), (66, 5.0), (100, 50.0), (1990, 5.0), (2020, 50.0)]), 1);
        assert_eq!(fires(&mut rules, &[(2050, 5.0)]), 1);
    }

    #[test]
    fn it_does_not_rest_for_ever_when_the_clock_goes_back() {
        let mut rules = resolved(written()).unwrap();
        assert_eq!(fires(&mut rules, &[(10_000_000, 5.0), (0, 50.0), (2500, 5.0)]), 2);
    }

    #[test]
    fn trembling_on_the_border_is_one_entry() {
        let mut rules = resolved(config::Rule { rest: Duration::from_millis(50), ..written() }).unwrap();
        let noses: std::vec::Vec<_> = (0..60).map(|n| (n * 100, if n % 2 == 0 { 9.5 } else { 11.0 })).collect();
        assert_eq!(fires(&mut rules, &noses), 1);
    }

    #[test]
    fn only_the_named_seen_and_sure_animal_counts() {
        let changes: [fn(&mut Animal); 6] = [
            |animal| animal.identity = Some(Identity(0)),
            |animal| animal.identity = None,
            |animal| animal.p = 0.7,
            |animal| animal.state = State::Predicted,
            |animal| animal.predicted.insert(1),
            |animal| animal.keypoints[1].as_mut().unwrap().score = 0.4,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut rules = resolved(written()).unwrap();
            assert_eq!(rules.decide(&nose(0, 5.0, change)).len(), 0, "change {index}");
            assert_eq!(rules.decide(&nose(33, 5.0, |_| ())).len(), 1, "change {index}");
        }
    }

    #[test]
    fn a_rule_for_anybody_names_who_set_it_off() {
        let mut rules = resolved(config::Rule { identity: None, ..written() }).unwrap();
        let decisions = rules.decide(&nose(0, 5.0, |_| ()));
        assert_eq!(decisions[..], [Decision { rule: 0, identity: Identity(1), pulse: Duration::from_millis(50) }]);
    }

    #[test]
    fn everything_wrong_with_a_rule_is_told_at_once() {
        let wrong = config::Rule {
            identity: Some("P".into()),
            keypoint: "nse".into(),
            zone: "Feder".into(),
            p_min: 1.5,
            score_min: f32::NAN,
            rest: Duration::from_millis(10),
            ..written()
        };
        assert_eq!(
            resolved(wrong).unwrap_err(),
            [
                "rule feed: identity = \"P\" is not known; known: R, G; use one of them",
                "rule feed: keypoint = \"nse\" is not known; known: tail, nose; use one of them",
                "rule feed: zone = \"Feder\" is not known; known: Feeder; use one of them",
                "rule feed: p_min = 1.5 is out of range; 0 to 1 is allowed; correct it",
                "rule feed: score_min = NaN is out of range; 0 to 1 is allowed; correct it",
                "rule feed: pulse_ms = 50 with rest_ms = 10; a pulse must be above 0 and the rest at least as long; \
                 correct them",
            ]
        );
    }
}
