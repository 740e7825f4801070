use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Problems;
use crate::error::{Error, Result};

/// The largest logo, in bytes.
const LOGO: u64 = 256 * 1024;
/// What a file must be called.
const ENDS: &str = "must end with .svg, .png or .webp";
/// The longest name, in characters.
const NAME: usize = 64;

/// What people see this deployment is called and looks like.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Brand {
    /// The name on every page.
    pub name: String,
    /// A file with the logo beside it: SVG, PNG or WebP; none if not set.
    pub logo: Option<PathBuf>,
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: "Gatehouse".to_owned(),
            logo: None,
        }
    }
}

/// A picture.
#[derive(Debug)]
pub struct Logo {
    /// Its media type.
    pub media: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Brand {
    /// The logo, read from its file.
    pub fn logo(&self) -> Result<Option<Logo>> {
        let file = self.logo.as_ref();
        let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) else {
            return Ok(None);
        };
        let told =
            |problem: &str| Error::value(format!("brand.logo: {}: {problem}", file.display()));
        let media = media(file).ok_or_else(|| told(ENDS))?;
        let about = std::fs::metadata(file).map_err(|error| told(&error.to_string()))?;
        if !about.is_file() || about.len() > LOGO {
            return Err(told(&format!("must be a file of at most {LOGO} bytes")));
        }
        let bytes = std::fs::read(file).map_err(|error| told(&error.to_string()))?;
        Ok(Some(Logo { media, bytes }))
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let length = self.name.chars().count();
        if self.name.trim().is_empty() || length > NAME || self.name.contains(char::is_control) {
            problems.add("brand.name", &format!("must have 1 to {NAME} characters"));
        }
        let file = self.logo.as_ref();
        let mut file = file.filter(|file| !file.as_os_str().is_empty()).into_iter();
        if file.any(|file| media(file).is_none()) {
            problems.add("brand.logo", ENDS);
        }
    }
}

/// What a file is by its name.
fn media(file: &Path) -> Option<&'static str> {
    match file.extension()?.to_str()? {
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "webp" => Some("image/webp"),
        _ => None,
    }
}
