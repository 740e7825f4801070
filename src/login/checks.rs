//! Whether a token of a provider holds: by whom it is signed, for whom and when. The checks are those
//! of the protocol's crate, by our clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    ClaimsVerificationError as Fault, ClientId, IssuerUrl, JsonWebTokenType, Nonce,
    SignatureVerificationError,
};
use serde_json::Value;

use super::provider;
use super::refused::Refused;
use crate::app::App;

/// How far clocks may be apart, in seconds.
pub(super) const LEEWAY: i64 = 60;
/// How many keys are tried where a token does not say which.
const KEYS: usize = 16;

/// What tokens of a provider must be like.
pub(super) struct Checks<'a> {
    pub(super) app: &'a App,
    pub(super) client_id: &'a str,
    /// The issuer that it must name.
    pub(super) issuer: String,
    /// Where its keys are.
    pub(super) keys: &'a str,
    /// What it may be signed with.
    pub(super) algorithms: &'a [CoreJwsSigningAlgorithm],
}

impl Checks<'_> {
    /// Whether a token holds, which `check` looks at by the verifier that it is given: by the keys that
    /// are known, and by those that the provider has by now where none of them will do.
    pub(super) async fn hold<F>(&self, check: F) -> Result<(), Refused>
    where
        F: Fn(CoreIdTokenVerifier<'static>) -> Result<(), Fault> + Send + Sync,
    {
        let keys = provider::keys(self.app, self.keys, false).await?;
        match self.hold_by(&keys, &check) {
            Err(Refused::Token("signature")) => {}
            outcome => return outcome,
        }
        let keys = provider::keys(self.app, self.keys, true).await?;
        self.hold_by(&keys, &check)
    }

    fn hold_by<F>(&self, keys: &CoreJsonWebKeySet, check: &F) -> Result<(), Refused>
    where
        F: Fn(CoreIdTokenVerifier<'static>) -> Result<(), Fault>,
    {
        let whole = CoreJsonWebKeySet::new(keys.keys().clone());
        match check(self.verifier(whole)?) {
            Err(Fault::SignatureVerification(SignatureVerificationError::AmbiguousKeyId(_))) => {}
            outcome => return outcome.map_err(|fault| told(&fault)),
        }
        // Without the name of one, each key will do that fits the algorithm.
        if keys.keys().len() > KEYS {
            return Err(Refused::Token("signature"));
        }
        for key in keys.keys() {
            let one = CoreJsonWebKeySet::new(vec![key.clone()]);
            match check(self.verifier(one)?) {
                Err(Fault::SignatureVerification(_)) => {}
                outcome => return outcome.map_err(|fault| told(&fault)),
            }
        }
        Err(Refused::Token("signature"))
    }

    fn verifier(&self, keys: CoreJsonWebKeySet) -> Result<CoreIdTokenVerifier<'static>, Refused> {
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|_| Refused::Issuer)?;
        let id = ClientId::new(self.client_id.to_owned());
        let now = self.now();
        let verifier = CoreIdTokenVerifier::new_public_client(id, issuer, keys)
            .set_allowed_algs(self.algorithms.iter().cloned())
            .set_time_fn(move || instant(now - LEEWAY).into())
            .set_issue_time_verifier_fn(move |issued| {
                (SystemTime::from(issued) <= instant(now + LEEWAY))
                    .then_some(())
                    .ok_or_else(|| "issued in the future".to_owned())
            });
        Ok(verifier)
    }

    /// What the crate leaves to us.
    pub(super) fn check_raw(&self, raw: &Value) -> Result<(), Refused> {
        let now = self.now();
        // The crate reads dates as texts too, which some providers write elsewhere.
        for name in ["exp", "iat"] {
            if !raw[name].is_number() {
                return Err(Refused::Token(name));
            }
        }
        match raw.get("nbf") {
            None => {}
            Some(from)
                if from
                    .as_f64()
                    .is_some_and(|from| seconds(from) <= now + LEEWAY) => {}
            Some(_) => return Err(Refused::Token("nbf")),
        }
        // OpenID Connect Core 1.0 section 3.1.3.7, 4 and 5.
        match raw.get("azp") {
            None => {}
            Some(Value::String(party)) if party == self.client_id => {}
            Some(_) => return Err(Refused::Token("azp")),
        }
        match raw["sub"].as_str() {
            Some(subject) if !subject.is_empty() && subject.len() <= 255 => Ok(()),
            _ => Err(Refused::Token("sub")),
        }
    }

    /// Now, in seconds.
    fn now(&self) -> i64 {
        self.app.clock.now().0 / 1_000_000
    }
}

/// The claims of a token before anything is known of them.
pub(super) fn payload(token: &CoreIdToken) -> Result<Value, Refused> {
    part(token, 1)
}

/// What a token says of itself.
pub(super) fn header(token: &CoreIdToken) -> Result<Value, Refused> {
    part(token, 0)
}

fn part(token: &CoreIdToken, at: usize) -> Result<Value, Refused> {
    let malformed = || Refused::Token("id_token");
    let text = token.to_string();
    let part = text.split('.').nth(at).ok_or_else(malformed)?;
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes());
    let bytes = bytes.map_err(|_| malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}

/// Whether a token that is no ID token is of one of those types, and has no nonce: so that neither passes
/// for the other.
pub(super) fn is_of_type(
    token: &CoreIdToken,
    verifier: CoreIdTokenVerifier<'static>,
    types: &[&str],
) -> Result<(), Fault> {
    let types = types.iter().filter_map(|name| {
        let name = JsonWebTokenType::new((*name).to_owned());
        name.normalize().ok()
    });
    let verifier = verifier.set_allowed_jose_types(types);
    let none = |nonce: Option<&Nonce>| {
        nonce
            .is_none()
            .then_some(())
            .ok_or_else(|| "a nonce".to_owned())
    };
    token.claims(&verifier, none).map(drop)
}

fn instant(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what is out of range is far off"
)]
fn seconds(number: f64) -> i64 {
    number as i64
}

/// Which check of a token failed.
fn told(fault: &Fault) -> Refused {
    Refused::Token(match fault {
        Fault::Expired(_) => "exp",
        Fault::InvalidAudience(_) => "aud",
        Fault::InvalidIssuer(_) => "iss",
        Fault::InvalidNonce(_) => "nonce",
        Fault::SignatureVerification(_) => "signature",
        Fault::Other(hash) if hash == "at_hash" => "at_hash",
        Fault::Other(hash) if hash == "c_hash" => "c_hash",
        _ => "id_token",
    })
}
