//! RTP and RTCP of one H.264 stream (RFC 3550, RFC 6184): packets out of access units, sender reports, goodbye.

use crate::rehearsal::encode::units;
use crate::stamp::WallTime;

/// Payload type of the stream, as named in the description.
pub const PAYLOAD_TYPE: u8 = 96;
/// Longest RTP packet, bytes: fits an Ethernet frame with room for tunnels.
const PACKET_MAX: usize = 1400;
/// Bytes of an RTP header without extensions.
const HEADER: usize = 12;
/// Seconds from 1900 (NTP) to 1970.
const NTP_UNIX: i128 = 2_208_988_800;

/// The sending side of one client's stream.
#[derive(Debug)]
pub struct Sender {
    /// Names the stream in every packet.
    pub ssrc: u32,
    /// Sequence number of the next packet.
    pub sequence: u16,
    /// Added to every timestamp, so that clients cannot take it for a clock.
    offset: u32,
    packets: u32,
    octets: u32,
}

impl Sender {
    /// A stream whose random beginnings come from `random`.
    pub fn new(random: u64) -> Self {
        let mixed = random.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            ssrc: (mixed >> 32) as u32 | 1,
            // Far from the wrap, because old clients stumble over one in the first seconds.
            sequence: (mixed >> 16) as u16 & 0x3fff,
            offset: mixed as u32,
            packets: 0,
            octets: 0,
        }
    }

    /// RTP timestamp of a time: 90 kHz, rounded down.
    pub fn timestamp(&self, time: WallTime) -> u32 {
        (ticks(time) as u32).wrapping_add(self.offset)
    }

    /// The packets of one access unit (Annex B), the last one marked. NAL units longer than a packet are fragmented (FU-A).
    pub fn packets(&mut self, annexb: &[u8], captured: WallTime) -> Vec<Vec<u8>> {
        let timestamp = self.timestamp(captured);
        let mut out = Vec::with_capacity(annexb.len() / PACKET_MAX + 3);
        for unit in units(annexb) {
            if unit.len() <= PACKET_MAX - HEADER {
                out.push(self.packet(timestamp, &[], unit));
                continue;
            }
            let (indicator, kind) = (unit[0] & 0xe0 | 28, unit[0] & 0x1f);
            let pieces = unit[1..].chunks(PACKET_MAX - HEADER - 2);
            let last = pieces.len() - 1;
            for (index, piece) in pieces.enumerate() {
                let edge = if index == 0 { 0x80 } else { u8::from(index == last) << 6 };
                out.push(self.packet(timestamp, &[indicator, edge | kind], piece));
            }
        }
        if let Some(marked) = out.last_mut().and_then(|packet| packet.get_mut(1)) {
            *marked |= 0x80;
        }
        out
    }

    fn packet(&mut self, timestamp: u32, prefix: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + prefix.len() + payload.len());
        out.extend_from_slice(&[0x80, PAYLOAD_TYPE]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(prefix);
        out.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((prefix.len() + payload.len()) as u32);
        out
    }

    /// A sender report with the stream's name: at `now` of the capture clock, the camera's wall clock shows
    /// `now + clock_error_ns`.
    pub fn report(&self, now: WallTime, clock_error_ns: i64) -> Vec<u8> {
        // The wall-clock time of a whole tick, so that the pair is exact.
        let tick = ticks(now);
        let nanos = (tick * 100_000).div_euclid(9) + i128::from(clock_error_ns);
        let seconds = nanos.div_euclid(1_000_000_000) + NTP_UNIX;
        let fraction = (nanos.rem_euclid(1_000_000_000) << 32) / 1_000_000_000;
        let mut out = vec![0x80, 200, 0, 6];
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&(seconds as u32).to_be_bytes());
        out.extend_from_slice(&(fraction as u32).to_be_bytes());
        out.extend_from_slice(&(tick as u32).wrapping_add(self.offset).to_be_bytes());
        out.extend_from_slice(&self.packets.to_be_bytes());
        out.extend_from_slice(&self.octets.to_be_bytes());
        self.describe(&mut out);
        out
    }

    /// Says that the stream ends. Starts with an empty receiver report, as compound packets must.
    pub fn goodbye(&self) -> Vec<u8> {
        let mut out = vec![0x80, 201, 0, 1];
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        self.describe(&mut out);
        out.extend_from_slice(&[0x81, 203, 0, 1]);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out
    }

    /// Source description with the canonical name `arenad`: 4 + 4 + 2 + 6 + 4 bytes, the last four end and fill up.
    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0x81, 202, 0, 4]);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&[1, 6]);
        out.extend_from_slice(b"arenad\0\0\0\0");
    }
}

/// 90 kHz ticks since 1970, rounded down.
fn ticks(time: WallTime) -> i128 {
    (i128::from(time.0) * 9).div_euclid(100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_795_243_980_123_456_789);

    fn access_unit(sizes: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for size in sizes {
            out.extend_from_slice(&[0, 0, 0, 1, 0x65]);
            out.extend((1..*size).map(|i| (i % 250 + 2) as u8));
        }
        out
    }

    #[test]
    fn every_packet_fits_and_only_the_last_is_marked() {
        let mut sender = Sender::new(1);
        let packets = sender.packets(&access_unit(&[20, 5000, 1388, 1389]), NOW);
        assert!(packets.iter().all(|packet| packet.len() <= PACKET_MAX));
        let marks: Vec<bool> = packets.iter().map(|packet| packet[1] & 0x80 != 0).collect();
        assert_eq!(marks.iter().filter(|mark| **mark).count(), 1);
        assert_eq!(marks.last(), Some(&true));
        assert_eq!(packets.len(), 1 + 4 + 1 + 2);
    }

    #[test]
    fn fragments_carry_the_whole_unit_between_start_and_end() {
        let mut sender = Sender::new(2);
        let unit = access_unit(&[5000]);
        let packets = sender.packets(&unit, NOW);
        let edges: Vec<u8> = packets.iter().map(|packet| packet[13] >> 6).collect();
        assert_eq!(edges, [2, 0, 0, 1]);
        let mut joined = vec![packets[0][12] & 0xe0 | packets[0][13] & 0x1f];
        packets.iter().for_each(|packet| joined.extend_from_slice(&packet[14..]));
        assert_eq!(joined, unit[4..]);
    }

    #[test]
    fn sequence_numbers_run_on_over_their_end() {
        let mut sender = Sender::new(3);
        sender.sequence = 65_535;
        let packets = sender.packets(&access_unit(&[4000]), NOW);
        let numbers: Vec<u16> = packets.iter().map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect();
        assert_eq!(numbers, [65_535, 0, 1]);
    }

    #[test]
    fn a_report_lays_rtp_time_on_the_wall_clock() {
        let sender = Sender::new(4);
        let report = sender.report(NOW, 0);
        let word = |at: usize| u32::from_be_bytes([report[at], report[at + 1], report[at + 2], report[at + 3]]);
        let seconds = i128::from(word(8)) - NTP_UNIX;
        let nanos = seconds * 1_000_000_000 + ((i128::from(word(12)) * 1_000_000_000) >> 32);
        let late = i128::from(NOW.0) - nanos;
        assert!((0..=11_112).contains(&late), "{late} ns");
        assert_eq!(word(16), sender.timestamp(NOW));
        assert_eq!(report.len(), 28 + 20);
    }

    #[test]
    fn a_camera_whose_clock_is_wrong_says_the_wrong_time() {
        let sender = Sender::new(4);
        let (right, wrong) = (sender.report(NOW, 0), sender.report(NOW, 3_000_000_000));
        let seconds = |report: &[u8]| u32::from_be_bytes([report[8], report[9], report[10], report[11]]);
        assert_eq!(seconds(&wrong) - seconds(&right), 3);
        assert_eq!(wrong[12..], right[12..]);
    }
}
