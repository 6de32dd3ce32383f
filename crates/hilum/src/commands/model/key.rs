use anyhow::{Context, Result, bail};
use hilum_sign::{MakerKey, MakerPublicKey};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest key file that is read.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// `hilum model key new FILE`.
pub(super) fn new(file: &Path) -> Result<ExitCode> {
    let key = loop {
        let mut random = [0; 32];
        File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut random)).context("cannot draw random bytes")?;
        // About one draw in 2^32 is no key of the curve.
        if let Ok(key) = MakerKey::from_random(random) {
            break key;
        }
    };
    let mut public_file = file.as_os_str().to_owned();
    public_file.push(".pub");
    let public_file = PathBuf::from(public_file);
    if public_file.exists() {
        bail!("{} exists and is not overwritten; choose another name", public_file.display());
    }
    create(file, &key.to_pem()?, 0o600)?;
    create(&public_file, &key.public().to_pem()?, 0o644)?;
    println!("private key {}: keep it where only you can read it", file.display());
    println!("public key  {}: list it in [trust] keys of the sites that shall trust you", public_file.display());
    println!("fingerprint {}", key.public().fingerprint()?);
    Ok(ExitCode::SUCCESS)
}

/// Write a file that is not there yet.
pub(super) fn create(path: &Path, text: &str, mode: u32) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options().write(true).create_new(true).mode(mode).open(path);
    let mut file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} exists and is not overwritten; remove it first if it is not needed", path.display())
        }
        other => other.with_context(|| format!("cannot create {}", path.display()))?,
    };
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn read_pem(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot read the key {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(KEY_BYTES_MAX)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read the key {}", path.display()))?;
    String::from_utf8(bytes).ok().with_context(|| format!("{} is no key: it is not text", path.display()))
}

/// The public key of a maker, in PEM.
pub(crate) fn read_public_key(path: &Path) -> Result<MakerPublicKey> {
    MakerPublicKey::from_pem(&read_pem(path)?).with_context(|| path.display().to_string())
}

/// The private key of a maker, in PEM.
pub(super) fn read_private_key(path: &Path) -> Result<MakerKey> {
    MakerKey::from_pem(&read_pem(path)?).with_context(|| path.display().to_string())
}
