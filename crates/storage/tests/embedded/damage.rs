//! Folders that are not as they should be: a clear error, or a store that goes on without what cannot be read.

use std::fs;
use std::path::Path;

use model::Zone;
use model::kinds::RecordKind;
use storage::embedded::Embedded;
use storage::{Batch, Store, StoreError};

use crate::support::{DAY, Folder, T0, all, count_of, entries, ids, row, segment};

fn open(folder: &Folder, zone: &str) -> Result<Embedded, StoreError> {
    Embedded::open(&folder.path(), folder.options(), &Zone::named(zone).unwrap(), folder.clock())
}

fn refused(folder: &Folder, zone: &str) -> String {
    match open(folder, zone).unwrap_err() {
        StoreError::Damaged(what) => what,
        other => panic!("{other}"),
    }
}

fn minute(day: i64) -> u32 {
    u32::try_from((T0 + day * DAY) / 60_000).unwrap()
}

/// Two days, each with a record and a row; closed.
async fn filled() -> Folder {
    let folder = Folder::new();
    let store = folder.open();
    for day in 0..2 {
        folder.set_clock(T0 + day * DAY);
        let batch = Batch {
            rows: vec![row("a", minute(day), 1, 10)],
            records: vec![segment(&format!("s{day}"), T0 + day * DAY)],
        };
        store.write(&batch).await.unwrap();
    }
    store.close().await.unwrap();
    folder
}

#[tokio::test]
async fn a_folder_has_one_process_at_a_time() {
    let folder = Folder::new();
    let store = folder.open();
    let Err(StoreError::Unavailable(what)) = open(&folder, "UTC") else { panic!("two stores on one folder") };
    assert!(what.contains("in use by another process"), "{what}");
    store.close().await.unwrap();
    open(&folder, "UTC").unwrap();
}

#[tokio::test]
async fn a_folder_stays_locked_until_a_dropped_store_has_committed() {
    let folder = Folder::new();
    let store = folder.open();
    store.write(&Batch { records: vec![segment("s", T0)], rows: vec![] }).await.unwrap();
    drop(store);
    let store = loop {
        match open(&folder, "UTC") {
            Ok(store) => break store,
            Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(ids(&store.records(&all(RecordKind::Segment)).await.unwrap()), ["s"]);
}

#[tokio::test]
async fn another_format_is_refused_and_left_alone() {
    let folder = filled().await;
    let format = folder.path().join("format");
    for (text, word) in [
        ("skylark embedded store, format 99\n", "format 99"),
        ("skylark embedded store, format 1\n", "format 1"),
        ("", "\"\""),
    ] {
        fs::write(&format, text).unwrap();
        let what = refused(&folder, "UTC");
        assert!(what.contains(word) && what.contains("format 2"), "{what}");
        assert_eq!(fs::read_to_string(&format).unwrap(), text);
    }
    fs::write(&format, [0xff, 0xfe]).unwrap();
    assert!(refused(&folder, "UTC").contains("no data folder of ours"));
    fs::remove_file(&format).unwrap();
    assert!(refused(&folder, "UTC").contains("does not say its format"));
}

#[tokio::test]
async fn another_zone_is_refused_by_name() {
    let folder = filled().await;
    let what = refused(&folder, "Asia/Shanghai");
    assert!(what.contains("UTC") && what.contains("Asia/Shanghai"), "{what}");
    open(&folder, "utc").unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_an_error_that_names_it() {
    let folder = Folder::new();
    fs::write(folder.path(), "a file").unwrap();
    let Err(StoreError::Unavailable(what)) = open(&folder, "UTC") else { panic!("a file is no folder") };
    assert!(what.contains("data"), "{what}");
}

#[tokio::test]
async fn foreign_files_are_passed_over_and_stay() {
    let folder = filled().await;
    let foreign =
        ["notes.txt", "rows/notes.txt", "rows/x.redb", "records/segment/notes.txt", "records/segment/lost+found/x"];
    for name in foreign {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "hello").unwrap();
    }
    let store = folder.open();
    assert_eq!(ids(&store.records(&all(RecordKind::Segment)).await.unwrap()), ["s1", "s0"]);
    assert!(store.health().await.detail.starts_with("embedded, in "));
    for name in foreign {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "hello");
    }
}

/// Spoils files below `dir` one after the other, in several ways; the other day's data must stay readable each time.
async fn check_damage(dir: &str, of_day: impl Fn(&Path) -> bool) {
    let n = {
        let folder = filled().await;
        files(&folder.path().join(dir)).into_iter().filter(|path| of_day(path)).count()
    };
    assert!(n > 0);
    for i in 0..n {
        for way in ["empty", "half", "zeros", "garbage"] {
            let folder = filled().await;
            let file = files(&folder.path().join(dir)).into_iter().filter(|path| of_day(path)).nth(i).unwrap();
            let bytes = fs::read(&file).unwrap();
            let spoiled = match way {
                "empty" => vec![],
                "half" => bytes[..bytes.len() / 2].to_vec(),
                "zeros" => vec![0; bytes.len()],
                _ => bytes.iter().enumerate().map(|(i, b)| b ^ u8::try_from(i * 7 % 251).unwrap()).collect(),
            };
            fs::write(&file, spoiled).unwrap();
            let what = format!("{way}: {}", file.display());
            let store = folder.open();
            let found = ids(&store.records(&all(RecordKind::Segment)).await.unwrap());
            assert!(found == ["s1"] || found == ["s1", "s0"], "{what}: {found:?}");
            let old = count_of(&store, "a", minute(0)).await;
            assert!(old.is_none() || old == Some(10), "{what}");
            assert_eq!(count_of(&store, "a", minute(1)).await, Some(10), "{what}");
            let health = store.health().await;
            assert!(health.ok, "{what}");
            if found.len() == 1 || old.is_none() {
                assert!(health.detail.contains(dir), "{what}: {health:?}");
            }
            // Writing goes on, also for the day whose file is not readable.
            let batch = Batch { rows: vec![row("b", minute(0), 1, 20)], records: vec![segment("s2", T0 + DAY)] };
            for attempt in 0.. {
                match store.write(&batch).await {
                    Ok(_) => break,
                    Err(StoreError::Unavailable(_)) if attempt < 3 => {}
                    Err(error) => panic!("{what}: {error}"),
                }
            }
            assert_eq!(count_of(&store, "b", minute(0)).await, Some(20), "{what}");
            store.close().await.unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    entries(dir).into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_spoiled_partition_takes_no_other_down() {
    let first = |path: &Path| path.parent().is_some_and(|dir| dir.ends_with("20231115-00"));
    check_damage("records/segment", first).await;
}

#[tokio::test]
async fn a_spoiled_day_of_rows_takes_no_other_down() {
    check_damage("rows", |path| path.ends_with("20231115.redb")).await;
}

#[tokio::test]
async fn an_unreadable_day_is_put_aside_whole_when_rows_come_for_it() {
    let folder = filled().await;
    let day = folder.path().join("rows/20231115.redb");
    fs::write(&day, "not a database").unwrap();
    let store = folder.open();
    store.write(&Batch { rows: vec![row("a", minute(0), 2, 30)], records: vec![] }).await.unwrap();
    assert_eq!(count_of(&store, "a", minute(0)).await, Some(30));
    let aside = folder.path().join("rows/20231115.0.damaged");
    assert_eq!(fs::read_to_string(&aside).unwrap(), "not a database");
    store.close().await.unwrap();
    assert!(folder.open().health().await.detail.contains("20231115.0.damaged"));
}

#[tokio::test]
async fn the_file_that_never_rolls_is_needed() {
    let folder = filled().await;
    fs::write(folder.path().join("meta.redb"), "not a database").unwrap();
    assert!(refused(&folder, "UTC").contains("meta.redb"));
}
