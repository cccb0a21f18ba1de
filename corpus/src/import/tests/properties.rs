//! Whatever the bytes, a reader ends, does not panic, and accounts for each row.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::{ANDROID, CSV, DISCORD, IRC, JSONL, TELEGRAM},
    *,
};

const FILES: [&str; 6] = [TELEGRAM, DISCORD, ANDROID, IRC, CSV, JSONL];

/// Reads to the end, twice, and counts what comes: messages and dropped rows. Both readings must agree.
fn count(bytes: &[u8]) -> Result<usize, TestCaseError> {
    let options = Options { date_order: Some(DateOrder::DayFirst), ..Options::default() };
    let read = || begin("2006-03-05.log", bytes, &options).map(|reading| reading.map(shown).collect::<Vec<_>>());
    let (Ok(first), Ok(second)) = (read(), read()) else { return Ok(0) };
    prop_assert_eq!(&first, &second);
    Ok(first.len())
}

fn shown(item: Result<Item, Fault>) -> String {
    item.map_or_else(|fault| fault.to_string(), |item| format!("{item:?}"))
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..2_000)) {
        prop_assert!(count(&bytes)? <= bytes.len() + 2);
    }

    #[test]
    fn any_bytes_behind_a_good_beginning(file in 0..FILES.len(), bytes in vec(any::<u8>(), 0..500)) {
        let mut whole = FILES[file].as_bytes().to_owned();
        whole.extend(bytes);
        prop_assert!(count(&whole)? <= whole.len() + 2);
    }

    #[test]
    fn a_good_file_with_bits_flipped(file in 0..FILES.len(), flips in vec((any::<Index>(), 0..8u32), 1..6)) {
        let mut bytes = FILES[file].as_bytes().to_owned();
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        prop_assert!(count(&bytes)? <= bytes.len() + 2);
    }

    #[test]
    fn a_good_file_cut_anywhere(file in 0..FILES.len(), place in any::<Index>()) {
        let bytes = FILES[file].as_bytes();
        prop_assert!(count(&bytes[..place.index(bytes.len())])? <= bytes.len() + 2);
    }

    #[test]
    fn each_line_of_a_log_is_a_row(lines in vec("\\[[0-2][0-9]:[0-5][0-9]\\] (<[a-z]{1,3}> [a-z ]{0,5}|=== x|.{0,9}[a-z])", 1..30)) {
        let log = format!("[10:00] <first> words\n{}", lines.join("\n"));
        if let Ok(reading) = begin("2006-03-05.log", log.as_bytes(), &Options::default())
            && reading.format == Format::Irc
        {
            let rows = reading.filter(|item| !matches!(item, Ok(Item::Chat(_)))).count();
            prop_assert_eq!(rows, lines.len() + 1);
        }
    }

    #[test]
    fn each_element_of_a_chat_is_a_row(ids in vec(any::<Option<i64>>(), 0..30)) {
        let rows: Vec<String> = ids.iter().map(|id| id.map_or("[]".to_owned(), |id| format!("{{\"id\":{id}}}"))).collect();
        let chat = format!("{{\"messages\": [{}]}}", rows.join(","));
        let reading = begin("result.json", chat.as_bytes(), &Options::default()).unwrap();
        let found: Result<Vec<_>, _> = reading.collect();
        prop_assert_eq!(found.unwrap().len(), ids.len() + 1);
    }
}
