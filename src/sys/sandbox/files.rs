//! The wall around files and ports: Landlock (landlock(7)).

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::Walls;

/// What stays open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Openings {
    /// Files that are read now or later: with them, what stands in the same folder, because who replaces a file gives it
    /// another inode. Of the root folder it is the file alone.
    pub files: Vec<PathBuf>,
    /// Files of Unix sockets, which are made and removed in their folders.
    pub sockets: Vec<PathBuf>,
    /// TCP ports that are listened at. With 0 among them all are: the system chooses one, and shards share what it chose.
    pub ports: Vec<u16>,
}

impl Openings {
    /// Where files can be read, as it is now: folders, and files of the root folder.
    pub fn readable(&self) -> Vec<PathBuf> {
        self.files.iter().flat_map(|file| places(file)).collect()
    }
}

/// A place where files can be read, which is what had this name when the wall was put up: another folder of the same name is
/// outside.
#[derive(Debug)]
pub struct Readable {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Readable {
    /// What has this name now.
    pub fn now(path: PathBuf) -> Self {
        let identity = identity_of(&path);
        Self { path, identity }
    }

    /// Whether this is it, or beneath it.
    pub fn holds(&self, place: &Path) -> bool {
        place.starts_with(&self.path) && identity_of(&self.path) == self.identity
    }
}

/// Device and inode of what a path leads to.
fn identity_of(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok()
}

/// What this program reads of the system: figures of itself, and what the kernel is set to.
const SYSTEM: [&str; 2] = ["/proc/self", "/proc/sys"];
/// What is asked for; an older kernel keeps what it knows of it. The ones that came later (9: names of Unix sockets, 10: UDP
/// ports) would need openings of their own.
const WANTED: ABI = ABI::V8;

/// Shuts the calling thread, and those that it starts from now on, off from all files and ports but these. Says which walls
/// stand then: none, where the kernel has no Landlock.
///
/// # Errors
/// When the kernel has it, and refuses.
pub fn shut_off(openings: &Openings) -> io::Result<Walls> {
    let ruleset = rules(openings).map_err(io::Error::other)?;
    let status = ruleset.restrict_self().map_err(io::Error::other)?;
    Ok(walls(&status.landlock))
}

fn walls(landlock: &LandlockStatus) -> Walls {
    let LandlockStatus::Available { effective_abi, .. } = landlock else { return Walls::default() };
    Walls {
        files: true,
        ports: ABI::V4 <= *effective_abi,
        processes: ABI::V6 <= *effective_abi,
        ..Walls::default()
    }
}

fn rules(openings: &Openings) -> Result<RulesetCreated, RulesetError> {
    let any_port = openings.ports.contains(&0);
    let closed = if any_port { AccessNet::ConnectTcp.into() } else { AccessNet::from_all(WANTED) };
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(closed)?
        .scope(Scope::from_all(WANTED))?
        .create()?;
    for place in system().iter().flatten() {
        ruleset = ruleset.add_rule(PathBeneath::new(place, AccessFs::ReadFile | AccessFs::ReadDir))?;
    }
    // The program's own file, and nothing beside it: a trace of a crash names functions by it.
    if let Ok(program) = std::env::current_exe() {
        ruleset = open(ruleset, &program, AccessFs::ReadFile.into())?;
    }
    for path in openings.readable() {
        ruleset = open(ruleset, &path, AccessFs::ReadFile.into())?;
    }
    // What is removed may stand anywhere beneath the folder, so a socket's file in the root folder is left where it is.
    for folder in openings.sockets.iter().filter_map(|file| folder_of(file)).filter(|folder| !is_root(folder))
    {
        ruleset = open(ruleset, folder, AccessFs::MakeSock | AccessFs::RemoveFile)?;
    }
    let mut ports = openings.ports.iter().copied().filter(|_| !any_port);
    ports.try_fold(ruleset, |ruleset, port| ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp)))
}

/// The places of the system, held open for as long as the process lives: /proc forgets a folder that nobody holds when memory is
/// short, and makes another one of that name, which no rule is for.
fn system() -> &'static [Option<PathFd>; 2] {
    static HELD: OnceLock<[Option<PathFd>; 2]> = OnceLock::new();
    HELD.get_or_init(|| SYSTEM.map(|path| PathFd::new(path).ok()))
}

/// Opens what is beneath a path. What is not there is missed by whoever wants it, and says so then.
fn open(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(place) => ruleset.add_rule(PathBeneath::new(place, access)),
        Err(_) => Ok(ruleset),
    }
}

/// Where a file is read: in the folder that it is named in, and in that of the file behind its links.
pub fn places(file: &Path) -> Vec<PathBuf> {
    let behind = std::fs::canonicalize(file).ok();
    let files = std::iter::once(file).chain(behind.as_deref());
    files
        .filter_map(|file| {
            folder_of(file).map(|folder| if is_root(folder) { file } else { folder }.to_owned())
        })
        .collect()
}

/// The folder of a file; of a bare name, the one in which this process works.
fn folder_of(file: &Path) -> Option<&Path> {
    let folder = file.parent()?;
    Some(if folder.as_os_str().is_empty() { ".".as_ref() } else { folder })
}

fn is_root(folder: &Path) -> bool {
    std::fs::canonicalize(folder).is_ok_and(|folder| folder.parent().is_none())
}

#[cfg(test)]
mod tests;
