//! The session description (SDP) that `DESCRIBE` answers.

use super::rtp::PAYLOAD_TYPE;
use super::studio::ParameterSets;
use crate::rehearsal::encode::FrameRate;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::net::IpAddr;

/// The name of the one track, appended to the camera's path.
pub const TRACK: &str = "trackID=0";

/// The description of a camera that serves at `address`.
pub fn sdp(address: IpAddr, sets: &ParameterSets, rate: FrameRate) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let any = if address.is_ipv4() { "0.0.0.0" } else { "::" };
    let profile: String = sets.sequence.iter().skip(1).take(3).map(|byte| format!("{byte:02X}")).collect();
    let (sequence, picture) = (STANDARD.encode(&sets.sequence), STANDARD.encode(&sets.picture));
    let hz = (rate.hz() * 1000.0).round() / 1000.0;
    [
        "v=0".to_owned(),
        format!("o=- 1 1 IN {family} {address}"),
        "s=arenad rehearsal".to_owned(),
        format!("c=IN {family} {any}"),
        "t=0 0".to_owned(),
        "a=tool:arenad".to_owned(),
        "a=type:broadcast".to_owned(),
        "a=range:npt=now-".to_owned(),
        "a=control:*".to_owned(),
        format!("m=video 0 RTP/AVP {PAYLOAD_TYPE}"),
        format!("a=rtpmap:{PAYLOAD_TYPE} H264/90000"),
        format!(
            "a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sequence},{picture}"
        ),
        format!("a=framerate:{hz}"),
        format!("a=control:{TRACK}"),
        String::new(),
    ]
    .join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_carries_profile_parameter_sets_rate_and_track() {
        let sets = ParameterSets { sequence: vec![0x67, 0x42, 0x40, 0x1e, 9], picture: vec![0x68, 1, 2, 3] };
        let text = sdp(IpAddr::from([127, 0, 0, 1]), &sets, FrameRate { frames: 30000, seconds: 1001 });
        let lines = [
            "o=- 1 1 IN IP4 127.0.0.1",
            "a=fmtp:96 packetization-mode=1;profile-level-id=42401E;sprop-parameter-sets=Z0JAHgk=,aAECAw==",
            "a=framerate:29.97",
            "a=control:trackID=0",
        ];
        assert!(lines.iter().all(|line| text.contains(&format!("{line}\r\n"))), "{text}");
    }
}
