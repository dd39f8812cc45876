//! Executables that were built before: whether this machine can run them, so that it is said at the start and not
//! with the first event.

use std::io::Read as _;
use std::path::Path;

/// Offset and values of `e_machine` in an ELF header, see elf(5).
const MACHINE_AT: usize = 18;
const MACHINES: [(&str, u16); 2] = [("x86_64", 62), ("aarch64", 183)];

/// The error says what to do.
pub(super) fn check(executable: &Path) -> Result<(), String> {
    let shown = executable.display();
    let unreadable = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let mut file = std::fs::File::open(executable).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata().map_err(unreadable)?.permissions().mode() & 0o111 == 0 {
            return Err(format!("{shown} is not executable: run `chmod +x` on it"));
        }
    }
    let mut header = [0; MACHINE_AT + 2];
    match file.read_exact(&mut header) {
        Ok(()) => check_header(&header).map_err(|why| format!("{shown} {why}")),
        Err(_) => Ok(()),
    }
}

/// Scripts and other formats are the system's to judge.
fn check_header(header: &[u8; MACHINE_AT + 2]) -> Result<(), String> {
    if !header.starts_with(b"\x7fELF") {
        return Ok(());
    }
    let machine = u16::from_le_bytes([header[MACHINE_AT], header[MACHINE_AT + 1]]);
    let name =
        MACHINES.iter().find(|(_, number)| *number == machine).map_or("another machine", |(name, _)| name);
    let (system, own) = (std::env::consts::OS, std::env::consts::ARCH);
    if system == "linux" && name == own {
        return Ok(());
    }
    Err(format!(
        "is built for Linux on {name} and cannot run on {system} on {own}: name the folder of its package in \
         CodeUri, or build it for this machine"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_for_another_machine_is_told_before_it_is_started() {
        let mut header = [0; MACHINE_AT + 2];
        header[..4].copy_from_slice(b"\x7fELF");
        for (name, number) in MACHINES {
            header[MACHINE_AT..].copy_from_slice(&number.to_le_bytes());
            let runs = cfg!(target_os = "linux") && name == std::env::consts::ARCH;
            assert_eq!(check_header(&header).is_ok(), runs, "{name}");
        }
        header[..2].copy_from_slice(b"#!");
        assert_eq!(check_header(&header), Ok(()));
    }
}
