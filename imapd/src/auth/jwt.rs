//! JWTHS256: the token exit for JSON Web Tokens signed with a shared key (RFC 7519, HS256 of RFC 7518).
//!
//! Its file, `JWTHS256 TOKENS`, has one statement a record; `;` starts a comment:
//!
//! | statement | meaning |
//! |---|---|
//! | `Key id key` | a key in base64url, at least 32 octets (RFC 7518 section 3.2); a token without `kid` is tried with all |
//! | `Issuer text` | `iss` must be this |
//! | `Audience text` | `aud` must be or hold this |
//! | `UserClaim name` | the claim that is the login name; `sub` when not said |
//!
//! A token must have `exp`. No other algorithm is taken, `none` least of all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::bearer::{TokenExit, UnixClock};

/// Shortest key in octets (RFC 7518 section 3.2).
const LEAST_KEY: usize = 32;
/// Seconds that clocks may differ.
const LEEWAY: i64 = 60;
/// Longest token that is looked at: as long as a line before login.
const LONGEST: usize = 8192;

/// The exit.
pub struct JwtExit {
    keys: Vec<(String, Vec<u8>)>,
    issuer: Option<String>,
    audience: Option<String>,
    user_claim: String,
    clock: UnixClock,
}

impl JwtExit {
    /// Reads the records of its file.
    ///
    /// # Errors
    /// What is wrong, by record.
    pub fn read<'a>(records: impl Iterator<Item = &'a str>, clock: UnixClock) -> Result<Self, Vec<String>> {
        let mut exit =
            Self { keys: Vec::new(), issuer: None, audience: None, user_claim: "sub".into(), clock };
        let mut errors = Vec::new();
        for (index, record) in records.enumerate() {
            let words: Vec<&str> = record.split(';').next().unwrap_or("").split_ascii_whitespace().collect();
            if let Err(reason) = exit.take(&words) {
                errors.push(format!("record {}: {reason}", index + 1));
            }
        }
        if errors.is_empty() && exit.keys.is_empty() {
            errors.push("there is no Key statement".into());
        }
        if errors.is_empty() { Ok(exit) } else { Err(errors) }
    }

    fn take(&mut self, words: &[&str]) -> Result<(), &'static str> {
        let keyword = words.first().map(|w| w.to_ascii_uppercase()).unwrap_or_default();
        match (keyword.as_str(), &words[words.len().min(1)..]) {
            ("", _) => {}
            ("KEY", [id, key]) => match URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')) {
                Ok(key) if key.len() >= LEAST_KEY => self.keys.push(((*id).into(), key)),
                Ok(_) => return Err("a key has at least 32 octets"),
                Err(_) => return Err("the key is not base64url"),
            },
            ("ISSUER", [text]) => self.issuer = Some((*text).into()),
            ("AUDIENCE", [text]) => self.audience = Some((*text).into()),
            ("USERCLAIM", [name]) => self.user_claim = (*name).into(),
            ("KEY" | "ISSUER" | "AUDIENCE" | "USERCLAIM", _) => return Err("wrong number of operands"),
            _ => return Err("unknown statement"),
        }
        Ok(())
    }

    fn is_signed(&self, header: &Value, signed: &str, signature: &[u8]) -> bool {
        let kid = header.get("kid").map(|k| k.as_str().unwrap_or_default());
        let mut good = subtle::Choice::from(0);
        for (_, key) in self.keys.iter().filter(|(id, _)| kid.is_none_or(|k| k == id)) {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
            mac.update(signed.as_bytes());
            good |= mac.finalize().into_bytes()[..].ct_eq(signature);
        }
        good.into()
    }

    fn claims_hold(&self, claims: &Value) -> bool {
        let now = (self.clock)();
        let time = |name: &str| claims.get(name).map(|v| v.as_f64().map(|t| t as i64));
        let Some(Some(expires)) = time("exp") else { return false };
        let begun = match time("nbf") {
            None => true,
            Some(begins) => begins.is_some_and(|t| t <= now.saturating_add(LEEWAY)),
        };
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let audience = |wanted: &String| match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(|a| a.as_str() == Some(wanted)),
            _ => text("aud") == Some(wanted),
        };
        now < expires.saturating_add(LEEWAY)
            && begun
            && self.issuer.as_ref().is_none_or(|wanted| text("iss") == Some(wanted))
            && self.audience.as_ref().is_none_or(audience)
    }
}

impl TokenExit for JwtExit {
    fn judge(&self, token: &[u8]) -> Option<String> {
        if token.len() > LONGEST {
            return None;
        }
        let token = std::str::from_utf8(token).ok()?;
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        let known =
            header.get("alg").and_then(Value::as_str) == Some("HS256") && header.get("crit").is_none();
        if !known || !self.is_signed(&header, signed, &decode(signature)?) {
            return None;
        }
        let claims: Value = serde_json::from_slice(&decode(claims)?).ok()?;
        let user = claims.get(&self.user_claim)?.as_str()?;
        self.claims_hold(&claims).then(|| user.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// The key and the token of RFC 7515 appendix A.1.
    const KEY: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn exit(more: &str, now: i64) -> JwtExit {
        let text = format!("Key a {KEY} ; the key\n{more}");
        JwtExit::read(text.lines(), Arc::new(move || now)).map_err(|e| e.join("\n")).unwrap()
    }

    fn signed(header: &str, claims: &str) -> String {
        let part = |t: &str| URL_SAFE_NO_PAD.encode(t);
        let signed = format!("{}.{}", part(header), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(&URL_SAFE_NO_PAD.decode(KEY).unwrap()).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn the_published_token_while_it_lasts() {
        let judge = |more: &str, now: i64| exit(more, now).judge(TOKEN.as_bytes());
        assert_eq!(judge("UserClaim iss", 1_300_819_379).as_deref(), Some("joe"));
        assert_eq!(judge("UserClaim iss", 1_300_819_380 + LEEWAY - 1).as_deref(), Some("joe"));
        assert_eq!(judge("UserClaim iss", 1_300_819_380 + LEEWAY), None);
        assert_eq!(judge("UserClaim iss\nIssuer joe", 1_300_819_379).as_deref(), Some("joe"));
        assert_eq!(judge("UserClaim iss\nIssuer jim", 1_300_819_379), None);
        assert_eq!(judge("UserClaim iss\nAudience x", 1_300_819_379), None);
        assert_eq!(judge("", 1_300_819_379), None);
        let mut wrong = TOKEN.to_owned();
        wrong.pop();
        wrong.push('l');
        assert_eq!(exit("UserClaim iss", 0).judge(wrong.as_bytes()), None);
    }

    #[test]
    fn headers_and_claims() {
        let good = r#"{"sub":"joe","exp":100,"aud":["x","y"],"nbf":10}"#;
        let judge =
            |more: &str, header: &str, claims: &str| exit(more, 50).judge(signed(header, claims).as_bytes());
        let hs256 = r#"{"alg":"HS256"}"#;
        assert_eq!(judge("Audience y", hs256, good).as_deref(), Some("joe"));
        assert_eq!(judge("", r#"{"alg":"HS256","kid":"a"}"#, good).as_deref(), Some("joe"));
        assert_eq!(judge("", r#"{"alg":"HS256","kid":"b"}"#, good), None);
        assert_eq!(judge("", r#"{"alg":"HS256","kid":7}"#, good), None);
        assert_eq!(judge("", r#"{"alg":"none"}"#, good), None);
        assert_eq!(judge("", r#"{"alg":"HS256","crit":["x"]}"#, good), None);
        assert_eq!(judge("Audience z", hs256, good), None);
        for claims in [
            r#"{"sub":"joe"}"#,
            r#"{"sub":"joe","exp":"100"}"#,
            r#"{"sub":7,"exp":100}"#,
            r#"{"sub":"joe","exp":100,"nbf":111}"#,
            r#"{"sub":"joe","exp":100,"nbf":"x"}"#,
            "[]",
            "x",
        ] {
            assert_eq!(judge("", hs256, claims), None, "{claims}");
        }
        assert!(judge("", hs256, r#"{"sub":"joe","exp":100,"nbf":110}"#).is_some());
    }

    #[test]
    fn records_that_are_wrong() {
        let text = "Key a\nKey a AAAA\nKey a !!!\nFrob\nIssuer\n; nothing\n";
        let errors = JwtExit::read(text.lines(), Arc::new(|| 0)).err().unwrap();
        assert_eq!(
            errors,
            [
                "record 1: wrong number of operands",
                "record 2: a key has at least 32 octets",
                "record 3: the key is not base64url",
                "record 4: unknown statement",
                "record 5: wrong number of operands",
            ]
        );
        assert_eq!(
            JwtExit::read([].into_iter(), Arc::new(|| 0)).err().unwrap(),
            ["there is no Key statement"]
        );
    }
}
