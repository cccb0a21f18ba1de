//! A case for each thing that a format can say.

use expect_test::expect;

use super::*;

pub(super) const TELEGRAM: &str = r#"{
 "name": "Lantern Club",
 "type": "private_supergroup",
 "id": 1500000001,
 "messages": [
  {"id": 1, "type": "service", "date": "2024-03-01T10:00:00", "date_unixtime": "1709287200", "actor": "Mira", "actor_id": "user11", "action": "create_group", "text": ""},
  {"id": 2, "type": "message", "date": "2024-03-01T10:01:00", "date_unixtime": "1709287260", "from": "Mira", "from_id": "user11", "text": "soup is on \"tonight\"", "text_entities": []},
  {"id": 3, "type": "message", "date": "2024-03-01T10:02:00", "date_unixtime": "1709287320", "edited": "2024-03-01T10:03:00", "edited_unixtime": "1709287380",
   "from": "Ivo", "from_id": "user12", "reply_to_message_id": 2,
   "text": ["see ", {"type": "text_link", "text": "this", "href": "https://example.org"}, " ", {"type": "mention", "text": "@mira"}, {"type": "custom_emoji", "text": "🍲", "document_id": "x.tgs"}],
   "reactions": [{"type": "emoji", "count": 3, "emoji": "👍", "recent": [{"from": "Mira", "from_id": "user11", "date": "2024-03-01T10:04:00"}]}, {"type": "custom_emoji", "count": 1, "document_id": "y.tgs"}]},
  {"id": 4, "type": "message", "date": "2024-03-01T10:05:00", "date_unixtime": "1709287500", "from": "Ivo", "from_id": "user12", "photo": "photos/1.jpg", "text": ""},
  {"id": 5, "type": "message", "date": "2024-03-01T10:06:00", "date_unixtime": "1709287560", "from": "Ivo", "from_id": "user12", "forwarded_from": null, "text": "not my words"},
  {"id": 6, "type": "message", "date": "2024-03-01T10:07:00", "from": null, "from_id": 13, "text": "old export"},
  {"id": 7, "type": "message", "date": "2024-03-01T10:08:00", "from": "Nobody", "text": "who?"},
  {"id": 8, "type": "message", "date": "soon", "from": "Ivo", "from_id": "user12", "text": "when?"},
  {"id": "nine", "type": "message", "text": "what?"},
  {"id": 10, "type": "message", "date_unixtime": "1709287800", "from": "Ivo", "from_id": "user12", "text": "elsewhere", "reply_to_message_id": 2, "reply_to_peer_id": "channel9"}
 ]
}
"#;

#[test]
fn telegram_of_one_chat() {
    check(
        "result.json",
        TELEGRAM,
        expect![[r#"
            Telegram Desktop
            # -1001500000001 "Lantern Club" on telegram
              - 1 Service
              2 2024-03-01 10:01:00 user11="Mira": "soup is on \"tonight\""
              3 2024-03-01 10:02:00 user12="Ivo": "see this @mira🍲" ->2 edited 10:03:00 👍@Mira 👍x2
              - 4 Empty
              - 5 Forwarded
              6 2024-03-01 10:07:00 user13="Deleted Account": "old export"
              - 7 NoAuthor
              - 8 BadTime
              - 9 Malformed
              10 2024-03-01 10:10:00 user12="Ivo": "elsewhere"
        "#]],
    );
}

#[test]
fn telegram_of_everything() {
    let message = |id: u32, text: &str| {
        format!(
            r#"{{"id":{id},"type":"message","date_unixtime":"1709287200","from":"A","from_id":"user1","text":"{text}"}}"#
        )
    };
    let (one, two, three) = (message(1, "one"), message(2, "two"), message(3, "three"));
    let everything = format!(
        r#"{{"about": "Here is the data", "contacts": {{"list": [{{"a": "]}}"}}]}},
        "chats": {{"about": "", "list": [
            {{"name": "Small", "type": "private_group", "id": 5, "messages": [{one}]}},
            {{"name": null, "type": "personal_chat", "id": 6, "messages": []}},
            {{"name": "News", "type": "public_channel", "id": 7, "messages": [{two}]}}]}},
        "left_chats": {{"list": [{{"type": "saved_messages", "id": 8, "messages": [{three}]}}]}}}}"#
    );
    check(
        "result.json",
        &everything,
        expect![[r#"
            Telegram Desktop
            # -5 "Small" on telegram
              -5552705725117361390 2024-03-01 10:00:00 user1="A": "one"
            # 6 "personal chat" on archive
            # -1007 "News" on telegram
              2 2024-03-01 10:00:00 user1="A": "two"
            # 8 "saved messages" on archive
              3 2024-03-01 10:00:00 user1="A": "three"
        "#]],
    );
}

#[test]
fn telegram_ids_of_one_account() {
    let row = |id: i32, minute: u32, more: &str| {
        format!(
            r#"{{"id":{id},"type":"message","date_unixtime":"{}","from":"A","from_id":"user1",{more}}}"#,
            minute * 60
        )
    };
    let rows = [
        row(-99, 1, r#""text":"before it was large""#),
        row(-98, 1, r#""text":"in the same second","edited_unixtime":"90""#),
        row(-97, 2, r#""text":"an answer","reply_to_message_id":-98"#),
        row(5, 3, r#""text":["since then ",{"type":"mention_name","text":"Bo","user_id":2}],"reply_to_message_id":4"#),
    ];
    let file = format!(r#"{{"name":"Grown","type":"private_supergroup","id":7,"messages":[{}]}}"#, rows.join(","));
    check(
        "result.json",
        &file,
        expect![[r#"
        Telegram Desktop
        # -1007 "Grown" on telegram
          -9223371908004048110 1970-01-01 00:01:00 user1="A": "before it was large"
          -9223371908001950958 1970-01-01 00:01:00 user1="A": "in the same second" edited 00:01:30
          -9223371779155029230 1970-01-01 00:02:00 user1="A": "an answer" ->-9223371908001950958
          5 1970-01-01 00:03:00 user1="A": "since then @Bo" ->4
    "#]],
    );
}

/// What Telegram Desktop writes of a message of a forum: notices do not say what they answer.
fn in_forum(id: i64, text: &str, more: &str) -> String {
    format!(
        r#"{{"id":{id},"type":"message","date":"2024-03-01T10:00:00","date_unixtime":"1709287200","from":"A",
            "from_id":"user1"{more},"text":"{text}","text_entities":[]}}"#
    )
}

fn topic_created(id: i64, title: &str) -> String {
    format!(
        r#"{{"id":{id},"type":"service","date":"2024-03-01T10:00:00","date_unixtime":"1709287200","actor":"A",
            "actor_id":"user1","action":"topic_created","title":"{title}","text":"","text_entities":[]}}"#
    )
}

fn answering(id: i64) -> String {
    format!(r#","reply_to_message_id":{id}"#)
}

fn forum(name: &str, rows: &[String]) -> String {
    format!(r#"{{"name":"{name}","type":"private_supergroup","id":7,"messages":[{}]}}"#, rows.join(","))
}

#[test]
fn telegram_topics_of_a_forum() {
    let rows = [
        in_forum(2, "before there were topics", ""),
        topic_created(5, "The boat"),
        in_forum(6, "in general", ""),
        in_forum(7, "in the boat", &answering(5)),
        topic_created(8, "Soup"),
        in_forum(9, "in the soup", &answering(8)),
        // A picture without words is followed too.
        in_forum(10, "", &answering(7)),
        in_forum(11, "an answer to the picture", &answering(10)),
        in_forum(12, "an answer to general", &answering(6)),
        in_forum(13, "an answer to long ago", &answering(1)),
        in_forum(14, "an answer to what is gone", &answering(99)),
        in_forum(15, "an answer to that", &answering(14)),
        in_forum(16, "an answer to another chat", r#","reply_to_message_id":3,"reply_to_peer_id":"channel9""#),
        in_forum(17, "still in the soup", &answering(8)),
    ];
    check(
        "result.json",
        &forum("The Crew", &rows),
        expect![[r#"
            Telegram Desktop
            # -1007 "The Crew" on telegram
              2 2024-03-01 10:00:00 user1="A": "before there were topics"
              - 2 Service
              6 2024-03-01 10:00:00 user1="A": "in general"
            # -1007/5 "The boat" on telegram of -1007 "The Crew", a topic
              7 2024-03-01 10:00:00 user1="A": "in the boat"
              - 5 Service
            # -1007/8 "Soup" on telegram of -1007 "The Crew", a topic
              9 2024-03-01 10:00:00 user1="A": "in the soup"
              - 7 Empty
            # -1007/5 "The boat" on telegram of -1007 "The Crew", a topic
              11 2024-03-01 10:00:00 user1="A": "an answer to the picture" ->10
            # -1007 "The Crew" on telegram
              12 2024-03-01 10:00:00 user1="A": "an answer to general" ->6
              13 2024-03-01 10:00:00 user1="A": "an answer to long ago" ->1
              14 2024-03-01 10:00:00 user1="A": "an answer to what is gone" ->99, topic unknown
              15 2024-03-01 10:00:00 user1="A": "an answer to that" ->14, topic unknown
              16 2024-03-01 10:00:00 user1="A": "an answer to another chat", topic unknown
            # -1007/8 "Soup" on telegram of -1007 "The Crew", a topic
              17 2024-03-01 10:00:00 user1="A": "still in the soup"
        "#]],
    );
}

#[test]
fn telegram_export_of_one_topic() {
    let rows = [
        topic_created(5, "The boat"),
        in_forum(7, "in the boat", &answering(5)),
        in_forum(14, "an answer to what is gone", &answering(6)),
    ];
    check(
        "result.json",
        &forum("The boat", &rows),
        expect![[r#"
            Telegram Desktop
            # -1007 "" on telegram
              - 1 Service
            # -1007/5 "The boat" on telegram of -1007 "", a topic
              7 2024-03-01 10:00:00 user1="A": "in the boat"
              14 2024-03-01 10:00:00 user1="A": "an answer to what is gone" ->6
        "#]],
    );
}

#[test]
fn telegram_answers_elsewhere_than_in_a_forum_have_no_topic() {
    check(
        "result.json",
        &forum("The Crew", &[in_forum(2, "an answer", &answering(1))]),
        expect![[r#"
            Telegram Desktop
            # -1007 "The Crew" on telegram
              2 2024-03-01 10:00:00 user1="A": "an answer" ->1
        "#]],
    );
}

#[test]
fn characters_that_a_database_refuses() {
    check(
        "result.json",
        r#"{"name": "a\u0000b", "id": 1, "messages": [{"id": 1, "type": "message", "date_unixtime": "1", "from": "\u0000", "from_id": "user1", "text": "\u0000"}]}"#,
        expect![[r#"
            Telegram Desktop
            # 1 "a�b" on archive
              1 1970-01-01 00:00:01 user1="�": "�"
        "#]],
    );
}

pub(super) const DISCORD: &str = r#"{
  "guild": {"id": "900000000000000001", "name": "Lantern Club", "iconUrl": "https://example.org/i.png"},
  "channel": {"id": "900000000000000002", "type": "GuildTextChat", "categoryId": null, "name": "kitchen", "topic": null},
  "dateRange": {"after": null, "before": null},
  "messages": [
    {"id": "1000000000000001", "type": "Default", "timestamp": "2024-03-01T10:00:00.123+02:00", "timestampEdited": null, "isPinned": false,
     "content": "hey @Ivo :soup: **now**", "author": {"id": "11", "name": "mira", "discriminator": "0000", "nickname": "Mira", "isBot": false, "avatarUrl": "https://example.org/a.png"},
     "attachments": [], "embeds": [], "stickers": [], "mentions": [],
     "reactions": [{"emoji": {"id": "", "name": "🍲", "isAnimated": false}, "count": 2, "users": [{"id": "12", "name": "ivo", "isBot": false}]}]},
    {"id": "1000000000000002", "type": "Reply", "timestamp": "2024-03-01T10:01:00+00:00", "timestampEdited": "2024-03-01T10:02:00+00:00",
     "content": "<@11> yes", "author": {"id": "12", "name": "ivo", "nickname": null, "isBot": false}, "mentions": [{"id": "11", "name": "mira", "nickname": "Mira"}],
     "reference": {"messageId": "1000000000000001", "channelId": "900000000000000002", "guildId": null}},
    {"id": "1000000000000003", "type": "GuildMemberJoin", "timestamp": "2024-03-01T10:02:00+00:00", "content": "Joined the server.", "author": {"id": "13", "name": "zed"}},
    {"id": "1000000000000004", "type": "Default", "timestamp": "2024-03-01T10:03:00+00:00", "content": "", "author": {"id": "13", "name": "zed"}, "attachments": [{"id": "1"}]},
    {"id": "1000000000000005", "type": "Default", "timestamp": "2024-03-01T10:04:00+00:00", "content": "", "author": {"id": "13", "name": "zed"}, "forwardedMessage": {"content": "x"}},
    {"id": "1000000000000006", "type": "Default", "timestamp": "2024-03-01T10:05:00+00:00", "content": "beep", "author": {"id": "14", "name": "helper", "isBot": true}},
    {"id": "1000000000000007", "type": "Default", "content": "when?", "author": {"id": "13", "name": "zed"}}
  ],
  "messageCount": 7
}"#;

#[test]
fn discord() {
    check(
        "export.json",
        DISCORD,
        expect![[r#"
            Discord (DiscordChatExporter JSON)
            # 900000000000000002 "kitchen" on discord of 900000000000000001 "Lantern Club"
              1000000000000001 2024-03-01 08:00:00 11="Mira": "hey @Ivo :soup: now" 🍲@ivo 🍲x1
              1000000000000002 2024-03-01 10:01:00 12="ivo": "@Mira yes" ->1000000000000001 edited 10:02:00
              - 3 Service
              - 4 Empty
              - 5 Forwarded
              1000000000000006 2024-03-01 10:05:00 14="helper" (bot): "beep"
              - 7 BadTime
        "#]],
    );
}

pub(super) const ANDROID: &str = "\
12/31/21, 11:58 PM - Messages and calls are end-to-end encrypted. No one outside of this chat can read them.
12/31/21, 11:58 PM - Mira created group \"Lantern: Club\"
12/31/21, 11:59\u{202F}PM - Mira: almost: midnight
and a second line

and a fourth
1/1/22, 12:00 AM - +44 7700 900123: <Media omitted>
1/1/22, 12:00 AM - Ivo: This message was deleted
1/1/22, 12:01 AM - Ivo: IMG-20220101-WA0001.jpg (file attached)
look at this
1/1/22, 12:02 AM - Ivo: happy new yaer \u{200E}<This message was edited>
1/1/22, 1:02 PM - Ivo: ciao @\u{2068}Mira\u{2069}
";

#[test]
fn whatsapp_android_month_first() {
    check(
        "WhatsApp Chat with Lantern Club (2).txt",
        ANDROID,
        expect![[r#"
            WhatsApp
            # Lantern Club "Lantern Club" on archive
              - 1 Service
              - 2 Service
              time 2021-12-31 23:59:00 Mira="Mira": "almost: midnight\nand a second line\n\nand a fourth"
              - 7 Empty
              - 8 Deleted
              time 2022-01-01 00:01:00 Ivo="Ivo": "look at this"
              time 2022-01-01 00:02:00 Ivo="Ivo": "happy new yaer"
              time 2022-01-01 13:02:00 Ivo="Ivo": "ciao @Mira"
        "#]],
    );
}

#[test]
fn whatsapp_iphone_day_first() {
    check(
        "/x/WhatsApp Chat - Lantern Club/_chat.txt",
        "\u{FEFF}[31/12/2021, 23:58:01] Lantern Club: \u{200E}Messages and calls are end-to-end encrypted.\r\n\
         \u{200E}[31/12/2021, 23:59:59] ~\u{202F}Mira: \u{200E}image omitted\r\n\
         [01/01/2022, 00:00:00] \u{202A}+44\u{A0}7700\u{A0}900123\u{202C}: hello\r\nyou\r\n\
         [01/01/2022, 00:00:00] Mira: \u{200E}You deleted this message.\r\n\
         [01/01/2022, 00:00:10] Mira: see \u{200E}<attached: 00000012-PHOTO.jpg>\r\n",
        expect![[r#"
            WhatsApp
            # Lantern Club "Lantern Club" on archive
              - 1 Service
              - 2 Empty
              time 2022-01-01 00:00:00 +44 7700 900123="+44 7700 900123": "hello\nyou"
              - 5 Deleted
              time 2022-01-01 00:00:10 Mira="Mira": "see"
        "#]],
    );
}

#[test]
fn whatsapp_forms_of_date_and_time() {
    check(
        "a.txt",
        "31.12.21, 23:59 - Mira: dots\n\
         31.12.21 23.59 - Mira: no comma\n\
         [31.12.21, 23:59:00] Mira: brackets\n\
         31.12.2021, 11:59 p. m. - Mira: Spanish\n\
         31.12.2021, 12:00 a.m. - Mira: midnight\n\
         31.13.2021, 12:00 - Mira: pasted from elsewhere\n\
         1.1.22, 24:00 - Mira: no such time\n",
        expect![[r#"
            WhatsApp
            # a "a" on archive
              time 2021-12-31 23:59:00 Mira="Mira": "dots"
              time 2021-12-31 23:59:00 Mira="Mira": "no comma"
              time 2021-12-31 23:59:00 Mira="Mira": "brackets"
              time 2021-12-31 23:59:00 Mira="Mira": "Spanish"
              time 2021-12-31 00:00:00 Mira="Mira": "midnight\n31.13.2021, 12:00 - Mira: pasted from elsewhere\n1.1.22, 24:00 - Mira: no such time"
        "#]],
    );
    check(
        "a.txt",
        "2021-12-31, 23:59 - Mira: year first\n",
        expect![[r#"
            WhatsApp
            # a "a" on archive
              time 2021-12-31 23:59:00 Mira="Mira": "year first"
        "#]],
    );
}

#[test]
fn whatsapp_order_of_dates_by_their_rise() {
    check(
        "a.txt",
        "3/4/21, 10:00 - A: x\n4/4/21, 10:00 - A: y\n1/5/21, 10:00 - A: z\n",
        expect![[r#"
            WhatsApp
            # a "a" on archive
              time 2021-04-03 10:00:00 A="A": "x"
              time 2021-04-04 10:00:00 A="A": "y"
              time 2021-05-01 10:00:00 A="A": "z"
        "#]],
    );
    check(
        "a.txt",
        "4/3/21, 10:00 - A: x\n4/4/21, 10:00 - A: y\n5/1/21, 10:00 - A: z\n",
        expect![[r#"
            WhatsApp
            # a "a" on archive
              time 2021-04-03 10:00:00 A="A": "x"
              time 2021-04-04 10:00:00 A="A": "y"
              time 2021-05-01 10:00:00 A="A": "z"
        "#]],
    );
    check(
        "a.txt",
        "4/4/21, 10:00 - A: x\n5/5/21, 10:00 - A: y\n",
        expect![[r#"
            WhatsApp
            # a "a" on archive
              time 2021-04-04 10:00:00 A="A": "x"
              time 2021-05-05 10:00:00 A="A": "y"
        "#]],
    );
    let options = Options { date_order: Some(DateOrder::MonthFirst), ..Options::default() };
    check_with(
        &options,
        "a.txt",
        b"3/4/21, 10:00 - A: x\n",
        expect![[r#"
            WhatsApp
            # a "a" on archive
              time 2021-03-04 10:00:00 A="A": "x"
        "#]],
    );
}

pub(super) const IRC: &str = "\
=== ivo [~ivo@example.net]  has joined #lantern
[23:58] <mira> ivo: soup?
[23:58] <Ivo> always
[23:59]  * ivo waves
[23:59] <ivo>
=== ivo is now known as ivo_away

[00:01] <mira> he left
something else
";

#[test]
fn irc_with_the_date_in_its_name() {
    check(
        "/logs/#lantern/2006-03-05.log",
        IRC,
        expect![[r##"
            IRC log
            # #lantern "#lantern" on archive
              - 1 Service
              time 2006-03-05 23:58:00 mira="mira": "ivo: soup?"
              time 2006-03-05 23:58:00 ivo="Ivo": "always"
              time 2006-03-05 23:59:00 ivo="ivo": "*waves*"
              - 5 Empty
              - 6 Service
              time 2006-03-06 00:01:00 mira="mira": "he left"
              - 9 Malformed
        "##]],
    );
}

#[test]
fn irc_with_the_date_in_the_log() {
    check(
        "lantern.log",
        "--- Log opened Sun Mar 05 12:00:00 2006\n12:00 <@mira> hello\n--- Day changed Mon Mar 06 2006\n00:01 < ivo> hi\n",
        expect![[r#"
            IRC log
            # lantern "lantern" on archive
              - 1 Service
              time 2006-03-05 12:00:00 mira="mira": "hello"
              - 3 Service
              time 2006-03-06 00:01:00 ivo="ivo": "hi"
        "#]],
    );
    check(
        "lantern.weechatlog",
        "2006-03-05 12:00:00\t-->\tivo (i@example.net) has joined #l\n2006-12-31 12:00:00\t@mira\thello\n",
        expect![[r#"
            IRC log
            # lantern "lantern" on archive
              - 1 Service
              time 2006-12-31 12:00:00 mira="mira": "hello"
        "#]],
    );
    check(
        "lantern.txt",
        "**** BEGIN LOGGING AT Sun Dec 31 12:00:00 2006\n\nDec 31 12:00:05 <mira>\thello\nJan 01 12:00:06 <ivo>\thi\n",
        expect![[r#"
            IRC log
            # lantern "lantern" on archive
              - 1 Service
              time 2006-12-31 12:00:05 mira="mira": "hello"
              time 2007-01-01 12:00:06 ivo="ivo": "hi"
        "#]],
    );
}

pub(super) const CSV: &str = "\
id,Date,Author,AuthorID,Content,reply to,room,likes
1,2021-03-04T05:06:07Z,Mira,11,\"soup, \"\"now\"\"
please\",,kitchen,3
2,2021-03-04 05:06,Ivo,,yes,1,kitchen,
3,,Ivo,,no time,1,kitchen,
4,2021-03-04 05:07,,,nobody,,hall,
5,2021-03-04 05:07,Ivo,,,,hall,
,2021-03-04 05:08,Ivo,,no id,,hall,
7,2021-03-04 05:09,Ivo
8,1614834367,Ivo,,unix,,hall,
";

#[test]
fn csv() {
    check(
        "table.csv",
        CSV,
        expect![[r#"
            CSV
            # kitchen "kitchen" on archive
              1 2021-03-04 05:06:07 11="Mira": "soup, \"now\"\nplease"
              2 2021-03-04 05:06:00 Ivo="Ivo": "yes" ->1
              - 5 BadTime
            # hall "hall" on archive
              - 6 NoAuthor
              - 7 Empty
              - 8 Malformed
            # table "table" on archive
              - 9 Empty
            # hall "hall" on archive
              8 2021-03-04 05:06:07 Ivo="Ivo": "unix"
        "#]],
    );
    check(
        "a.txt",
        "time;name;text\n1614834367;Mira;one\n1614834367000;Mira;two\n",
        expect![[r#"
            CSV
            # a "a" on archive
              time 2021-03-04 05:06:07 Mira="Mira": "one"
              time 2021-03-04 05:06:07 Mira="Mira": "two"
        "#]],
    );
    check(
        "a.txt",
        "\u{FEFF}time\tname\ttext\n1614834367\tMira\tone, two; three\n",
        expect![[r#"
            CSV
            # a "a" on archive
              time 2021-03-04 05:06:07 Mira="Mira": "one, two; three"
        "#]],
    );
}

pub(super) const JSONL: &str = r#"{"time": 1614834367, "user": "mira", "name": "Mira", "text": "soup \ud83c\udf72", "tags": ["a", {"b": 1}]}

{"time": 1614834367.5, "name": "Ivo", "author_id": 12, "text": "yes"}
{"time": null, "name": "Ivo", "text": "when"}
{"time": "2021-03-04 05:06", "name": "Ivo", "text": {"rich": true}}
{"time": "2021-03-04 05:06", "name": "Ivo", "text":: }
{"text": "other order", "room": "hall", "time": "2021-03-04T05:06:07+01:00", "from": "Mira"}
"#;

#[test]
fn jsonl() {
    check(
        "table.jsonl",
        JSONL,
        expect![[r#"
            JSON Lines
            # table "table" on archive
              time 2021-03-04 05:06:07 Mira="Mira": "soup 🍲"
              time 2021-03-04 05:06:07 12="Ivo": "yes"
              - 4 BadTime
              - 5 Empty
              - 6 Malformed
            # hall "hall" on archive
              time 2021-03-04 04:06:07 Mira="Mira": "other order"
        "#]],
    );
}

#[test]
fn what_the_path_says_of_the_chat() {
    let check = |path, title: &str| assert_eq!(ChatName::of(Path::new(path)).title, title);
    check("/x/WhatsApp Chat with Friends (2).txt", "Friends");
    check("/x/WhatsApp Chat - Friends/_chat.txt", "Friends");
    check("/x/ubuntu/2006-03-05.log", "ubuntu");
    check("/x/logs/#ubuntu-20060305.log", "#ubuntu");
    check("/chat.txt", "chat");
}

#[test]
fn an_export_that_has_grown_gives_the_same_keys_to_what_it_had() {
    for (name, whole) in [("a.txt", ANDROID), ("2006-03-05.log", IRC), ("a.jsonl", JSONL)] {
        let all = keys(name, whole);
        let cut = whole.trim_end().rfind('\n').unwrap() + 1;
        let before = keys(name, &whole[..cut]);
        assert!(before.len() >= 2 && all.starts_with(&before), "{name}: {before:?} {all:?}");
    }
}

#[test]
fn keys_from_times_rise_in_the_order_of_the_file() {
    let keys = keys("2006-03-05.log", IRC);
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
}
