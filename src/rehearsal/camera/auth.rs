//! Who may look: basic (RFC 7617) and digest (RFC 2617, MD5, without qop, as cameras do it).

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

const REALM: &str = "arenad rehearsal";

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Basic,
    /// By an MD5 over a number that the camera chose.
    Digest,
}

/// User name, password and how it is proved. Debug output hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraAuth {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Basic or digest.
    pub scheme: Scheme,
}

impl std::fmt::Debug for CameraAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (user, scheme) = (&self.user, &self.scheme);
        f.debug_struct("CameraAuth").field("user", user).field("password", &"(hidden)").field("scheme", scheme).finish()
    }
}

impl CameraAuth {
    /// What `WWW-Authenticate` says.
    pub fn challenge(&self, nonce: &str) -> String {
        match self.scheme {
            Scheme::Basic => format!("Basic realm=\"{REALM}\""),
            Scheme::Digest => format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5"),
        }
    }

    /// Whether the `Authorization` header of a request proves the password.
    pub fn accepts(&self, header: &str, method: &str, nonce: &str) -> bool {
        let Some((scheme, proof)) = header.trim().split_once(' ') else { return false };
        match self.scheme {
            Scheme::Basic => {
                let expected = STANDARD.encode(format!("{}:{}", self.user, self.password));
                scheme.eq_ignore_ascii_case("basic") && proof.trim() == expected
            }
            Scheme::Digest => {
                let field = |name| field(proof, name).unwrap_or_default();
                let secret = md5(&format!("{}:{REALM}:{}", self.user, self.password));
                let request = md5(&format!("{method}:{}", field("uri")));
                scheme.eq_ignore_ascii_case("digest")
                    && field("username") == self.user
                    && field("realm") == REALM
                    && field("nonce") == nonce
                    && field("response") == md5(&format!("{secret}:{nonce}:{request}"))
            }
        }
    }
}

/// The value of `name` among `name="value", name=value, …`.
fn field<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = next;
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(scheme: Scheme) -> CameraAuth {
        CameraAuth { user: "lab".into(), password: "mice, four".into(), scheme }
    }

    #[test]
    fn fields_are_found_quoted_bare_and_behind_commas_in_quotes() {
        let list = r#"username="a, b=c", realm="r",algorithm=MD5, response="ff""#;
        assert_eq!(field(list, "username"), Some("a, b=c"));
        assert_eq!(field(list, "algorithm"), Some("MD5"));
        assert_eq!(field(list, "response"), Some("ff"));
        assert_eq!(field(list, "uri"), None);
    }

    #[test]
    fn basic_takes_the_right_password_only() {
        let auth = auth(Scheme::Basic);
        assert!(auth.accepts("Basic bGFiOm1pY2UsIGZvdXI=", "DESCRIBE", ""));
        assert!(!auth.accepts("Basic bGFiOm1pY2U=", "DESCRIBE", ""));
        assert!(!auth.accepts("", "DESCRIBE", ""));
    }

    #[test]
    fn digest_takes_the_right_answer_to_its_own_nonce_only() {
        let auth = auth(Scheme::Digest);
        let (a1, a2) = (md5("lab:arenad rehearsal:mice, four"), md5("PLAY:rtsp://h/live"));
        let header = |nonce: &str| {
            let response = md5(&format!("{a1}:{nonce}:{a2}"));
            format!(
                r#"Digest username="lab", realm="arenad rehearsal", nonce="{nonce}", uri="rtsp://h/live", response="{response}""#
            )
        };
        assert!(auth.accepts(&header("n1"), "PLAY", "n1"));
        assert!(!auth.accepts(&header("n2"), "PLAY", "n1"));
        assert!(!auth.accepts(&header("n1"), "SETUP", "n1"));
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", auth(Scheme::Basic)).contains("mice"));
    }
}
