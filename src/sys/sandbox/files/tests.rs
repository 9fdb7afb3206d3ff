//! What is opened for a file; what the kernel then refuses, tests/sandbox shows.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tidemill-openings-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::canonicalize(folder).unwrap()
}

#[track_caller]
fn check(file: &Path, expected: &[&Path]) {
    assert_eq!(places(file), expected);
}

#[test]
fn a_file_is_read_wherever_it_is_put_in_its_folder() {
    check("/nowhere/to be/found.pem".as_ref(), &["/nowhere/to be".as_ref()]);
    check("found.pem".as_ref(), &[".".as_ref()]);
    let folder = folder("plain");
    let file = folder.join("key.pem");
    fs::write(&file, "").unwrap();
    check(&file, &[&folder, &folder]);
    fs::remove_dir_all(folder).unwrap();
}

/// As certbot keeps certificates: the name is a link into another folder.
#[test]
fn what_a_link_leads_to_is_read_there() {
    let (live, archive) = (folder("live"), folder("archive"));
    fs::write(archive.join("key1.pem"), "").unwrap();
    symlink(archive.join("key1.pem"), live.join("key.pem")).unwrap();
    check(&live.join("key.pem"), &[&live, &archive]);
    for folder in [live, archive] {
        fs::remove_dir_all(folder).unwrap();
    }
}

/// Else the whole tree would be open.
#[test]
fn of_the_root_folder_the_file_alone_is_read() {
    check("/tidemill-nowhere.toml".as_ref(), &["/tidemill-nowhere.toml".as_ref()]);
}
