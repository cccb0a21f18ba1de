//! What Discord sends, as its documentation has it, and what is made of it. Each event is a file of `fixtures`, and has
//! the fields that the library does not know.

mod told;

use std::{fs, path::PathBuf};

use expect_test::{Expect, expect};
use serenity::model::{event::GatewayEvent, id::ApplicationId};

use super::*;

const US: Us =
    Us { user: UserId::new(1_200_000_000_000_000_101), application: ApplicationId::new(1_200_000_000_000_000_109) };

/// Reads a fixture as the gateway is read, and says what is made of it.
fn check(fixture: &str, expected: Expect) {
    expected.assert_eq(&told::event(&event(fixture), US, &the_crew()));
}

fn event(fixture: &str) -> Event {
    match serde_json::from_str(&read(fixture)) {
        Ok(GatewayEvent::Dispatch(_, event)) => event,
        other => panic!("{fixture} is no event: {other:?}"),
    }
}

fn read(fixture: &str) -> String {
    fs::read_to_string(folder().join(fixture).with_extension("json")).unwrap()
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src", "platform", "discord", "fixtures"].iter().collect()
}

/// What the directory knows once `guild_create` is there.
fn the_crew() -> Directory {
    let directory = Directory::default();
    let Event::GuildCreate(created) = event("guild_create") else { panic!("the server is not read") };
    let guild = &created.guild;
    directory.put_guild(guild.id, &guild.name, guild.owner_id, guild.roles.iter());
    guild.channels.values().chain(&guild.threads).for_each(|channel| directory.put_channel(channel));
    directory
}

/// What the library takes for an event that it does not know.
const UNKNOWN: &[&str] =
    &["guild_create_unavailable", "guild_member_update_guest", "message_reaction_remove_emoji", "something_new"];

#[test]
fn every_fixture_is_read_as_the_event_that_it_is() {
    // However they are broken into lines.
    let tests: String = include_str!("tests.rs").split_whitespace().collect();
    for file in fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let fixture = path.file_stem().unwrap().to_str().unwrap();
        let json: serde_json::Value = serde_json::from_str(&read(fixture)).unwrap();
        let kind = json["t"].as_str().unwrap().to_lowercase();
        assert!(fixture.starts_with(&kind), "{fixture} is of {kind}");
        assert!(tests.contains(&format!("check(\"{fixture}\"")), "{fixture} is not checked");
        let read = event(fixture);
        assert_eq!(matches!(read, Event::Unknown(_)), UNKNOWN.contains(&fixture), "{fixture} is {read:?}");
    }
}

#[test]
fn messages_that_others_post() {
    check(
        "message_create",
        expect![[r#"
            in #10: m1 says "Ahoy @Bosun Bo, meet @moderators in #general :parrot: now 2026-03-01 10:00" at 10:01:00
            human #1 "Captain Ada" avatar #1/834272.."#]],
    );
    check(
        "message_create_attachment",
        expect![[r#"
            in #10: m4 says "" at 10:04:00
            human #3 "Dora the Deckhand" embed/avatars/1.png"#]],
    );
    check(
        "message_create_bot",
        expect![[r#"
            in #10: m9 says "It is ten o'clock" at 10:09:00
            bot #201 "Clock" avatar #201/334455.."#]],
    );
    check("message_create_bot_answer", expect!["nothing: MessageCreate"]);
    check("message_create_direct", expect!["nothing: MessageCreate"]);
    check(
        "message_create_foreign_webhook",
        expect![[r#"
            in #10: m11 says "Build passed" at 10:11:00
            bot #302 "Build bot" avatar #302/bb11cc.."#]],
    );
    check(
        "message_create_forward",
        expect![[r#"
            in #10: m8 says "" at 10:08:00
            human #2 "bo_1999" avatar #2/a_1c4c.."#]],
    );
    check(
        "message_create_in_thread",
        expect![[r#"
            in #20: m18 says "Once upon a time" at 10:18:00
            human #1 "Captain Ada" avatar #1/834272.."#]],
    );
    check("message_create_joined", expect!["nothing: MessageCreate"]);
    check("message_create_our_answer", expect!["nothing: MessageCreate"]);
    check("message_create_our_webhook", expect!["nothing: MessageCreate"]);
    check(
        "message_create_poll",
        expect![[r#"
            in #10: m7 says "" at 10:07:00
            human #1 "Captain Ada" avatar #1/834272.."#]],
    );
    check(
        "message_create_reply",
        expect![[r#"
            in #10: m2 says "Aye aye" at 10:02:00 to m1
            human #2 "bo_1999" avatar #2/a_1c4c.."#]],
    );
    check(
        "message_create_reply_to_deleted",
        expect![[r#"
            in #10: m3 says "What did it say?" at 10:03:00 to m99
            human #3 "Dora the Deckhand" embed/avatars/1.png"#]],
    );
    check(
        "message_create_sticker",
        expect![[r#"
            in #10: m6 says "" at 10:06:00
            human #2 "bo_1999" avatar #2/a_1c4c.."#]],
    );
    check("message_create_thread_created", expect!["nothing: MessageCreate"]);
    check("message_create_thread_starter", expect!["nothing: MessageCreate"]);
    check("message_create_us", expect!["nothing: MessageCreate"]);
    check(
        "message_create_voice_message",
        expect![[r#"
            in #10: m5 says "" at 10:05:00
            human #3 "Dora the Deckhand" embed/avatars/1.png"#]],
    );
}

#[test]
fn messages_that_change() {
    check("message_delete", expect!["in #10: deleted m1"]);
    check("message_delete_bulk", expect!["in #10: deleted m1 m2 m4"]);
    check("message_delete_direct", expect!["nothing: MessageDelete"]);
    check(
        "message_update",
        expect![[r#"
            in #10: m1 is "Ahoy @Bosun Bo, hurry" since 10:20:00.345
            m1 says "Ahoy @Bosun Bo, hurry" at 10:01:00, edited at 10:20:00.345
            human #1 "Captain Ada" avatar #1/834272.."#]],
    );
    check("message_update_direct", expect!["nothing: MessageUpdate"]);
    check(
        "message_update_foreign_webhook",
        expect![[r#"
            in #10: m11 is "Build failed" since 10:23:00
            m11 says "Build failed" at 10:11:00, edited at 10:23:00
            bot #302 "Build bot" embed/avatars/1.png"#]],
    );
    check("message_update_link_preview", expect!["nothing: MessageUpdate"]);
    check("message_update_our_webhook", expect!["nothing: MessageUpdate"]);
    check(
        "message_update_pinned",
        expect![[r#"
            in #10: m1 is "Ahoy @Bosun Bo, hurry" since 10:20:00.345
            m1 says "Ahoy @Bosun Bo, hurry" at 10:01:00, edited at 10:20:00.345
            human #1 "Captain Ada" avatar #1/834272.."#]],
    );
    check(
        "message_update_reply",
        expect![[r#"
            in #10: m2 is "Aye aye, captain" since 10:22:00.001
            m2 says "Aye aye, captain" at 10:02:00 to m1, edited at 10:22:00.001
            human #2 "bo_1999" avatar #2/a_1c4c.."#]],
    );
    check("message_update_us", expect!["nothing: MessageUpdate"]);
}

#[test]
fn reactions() {
    check(
        "message_reaction_add",
        expect![[r##"
            in #10: 👍 to m1 by #2 with roles ["#30"]
            human #2 "Bosun Bo" avatar #2/a_1c4c.."##]],
    );
    check(
        "message_reaction_add_custom",
        expect![[r##"
            in #10: :parrot: to m1 by #2 with roles ["#30"]
            human #2 "Bosun Bo" avatar #2/a_1c4c.."##]],
    );
    check("message_reaction_add_direct", expect!["nothing: ReactionAdd"]);
    check(
        "message_reaction_add_super",
        expect![[r##"
            in #10: 🔥 to m1 by #2 with roles ["#30"]
            human #2 "Bosun Bo" avatar #2/a_1c4c.."##]],
    );
    check(
        "message_reaction_add_to_webhook",
        expect![[r##"
            in #10: ❌ to m12 by #2 with roles ["#30"]
            human #2 "Bosun Bo" avatar #2/a_1c4c.."##]],
    );
    check("message_reaction_remove", expect!["in #10: 👍 taken from m1 by #2"]);
    check("message_reaction_remove_all", expect!["in #10: None cleared from m1"]);
    check("message_reaction_remove_custom", expect!["in #10: :parrot: taken from m1 by #2"]);
    check("message_reaction_remove_deleted_emoji", expect!["in #10: :1290000000000000040: taken from m1 by #2"]);
    check("message_reaction_remove_emoji", expect![[r#"in #10: Some("👍") cleared from m1"#]]);
}

#[test]
fn typing() {
    check("typing_start", expect!["in #10: typing"]);
    check("typing_start_bot", expect!["nothing: TypingStart"]);
    check("typing_start_direct", expect!["nothing: TypingStart"]);
}

#[test]
fn members() {
    check("guild_member_add", expect![[r#"in #900: returned: human #3 "Dora the Deckhand" embed/avatars/1.png"#]]);
    check("guild_member_remove", expect!["in #900: left: #3"]);
    check("guild_member_remove_us", expect!["nothing: GuildMemberRemove"]);
    check("guild_member_update", expect![[r#"in #900: seen: human #1 "Admiral Ada" avatar #1/834272.."#]]);
    check("guild_member_update_guest", expect![[r#"in #900: seen: human #3 "Dora the Deckhand" embed/avatars/1.png"#]]);
    check("guild_member_update_no_nick", expect![[r#"in #900: seen: human #2 "bo_1999" avatar #2/a_1c4c.."#]]);
}

#[test]
fn servers_and_roles() {
    check(
        "guild_create",
        expect![[r##"
            nothing: GuildCreate: "The Crew" ("#3", 5, ["#1", "#101"])
            #10 of #900 "general" Text below #11, newest Some("m14"), 3 overwrites
            #11 of #900 "Text Channels" Category below nothing, newest None, 0 overwrites
            #12 of #900 "ideas" Forum below #11, newest None, 0 overwrites
            #13 of #900 "below deck" Voice below #11, newest None, 0 overwrites
            #14 of #900 "the stage" Stage below #11, newest None, 0 overwrites
            #15 of #900 "announcements" News below #11, newest None, 0 overwrites
            #16 of #900 "rules" Text below nothing, newest None, 0 overwrites
            #17 of #900 "pictures" Unknown(16) below #11, newest None, 0 overwrites
            #20 of #900 "sea stories" PublicThread below #10, newest Some("m18"), 0 overwrites
            #21 of #900 "A shanty" PublicThread below #12, newest Some("m18"), 0 overwrites
            #30 "moderators" 0x77cf98637ee49
            #31 "The Crew's Voices" 0x2001cc40
            #32 "Server Booster" 0x0
            #900 "@everyone" 0x77cf98637ce41"##]],
    );
    check("guild_create_unavailable", expect!["nothing: Unknown: GUILD_CREATE"]);
    check("guild_delete", expect!["in #900: we were put out"]);
    check("guild_delete_unavailable", expect!["nothing: GuildDelete"]);
    check("guild_role_create", expect![[r#"nothing: GuildRoleCreate: #900 #33 "new role" 0x77cf98637ce41"#]]);
    check("guild_role_delete", expect!["nothing: GuildRoleDelete: #30"]);
    check("guild_role_update", expect![[r#"nothing: GuildRoleUpdate: #900 #30 "officers" 0x77cf98637ee49"#]]);
    check(
        "guild_update",
        expect![[r##"
            nothing: GuildUpdate: "The Old Crew" "#1"
            #30 "moderators" 0x77cf98637ee49
            #31 "The Crew's Voices" 0x2001cc40
            #32 "Server Booster" 0x0
            #900 "@everyone" 0x77cf98637ce41"##]],
    );
}

#[test]
fn channels_threads_and_webhooks() {
    check(
        "channel_create",
        expect![[r#"nothing: ChannelCreate: #18 of #900 "harbour" Text below #11, newest None, 2 overwrites"#]],
    );
    check(
        "channel_create_forum",
        expect![[r#"nothing: ChannelCreate: #19 of #900 "tales" Forum below #11, newest None, 0 overwrites"#]],
    );
    check(
        "channel_delete",
        expect![[r#"nothing: ChannelDelete: #16 of #900 "rules" Text below nothing, newest None, 0 overwrites"#]],
    );
    check(
        "channel_update",
        expect![[
            r#"nothing: ChannelUpdate: #10 of #900 "main-deck" Text below #11, newest Some("m14"), 3 overwrites"#
        ]],
    );
    check(
        "thread_create",
        expect![[
            r#"nothing: ThreadCreate: #20 of #900 "sea stories" PublicThread below #10, newest None, 0 overwrites"#
        ]],
    );
    check(
        "thread_create_added",
        expect![[
            r#"nothing: ThreadCreate: #23 of #900 "mutiny" PrivateThread below #10, newest Some("m18"), 0 overwrites"#
        ]],
    );
    check("thread_delete", expect!["nothing: ThreadDelete: #20"]);
    check(
        "thread_list_sync",
        expect![[r#"
            nothing: ThreadListSync: "" ""
            #20 of #900 "sea stories" PublicThread below #10, newest Some("m18"), 0 overwrites
            #21 of #900 "A shanty" PublicThread below #12, newest Some("m18"), 0 overwrites"#]],
    );
    check(
        "thread_update",
        expect![[
            r#"nothing: ThreadUpdate: #20 of #900 "old tales" PublicThread below #10, newest Some("m18"), 0 overwrites"#
        ]],
    );
    check("webhooks_update", expect!["nothing: WebhookUpdate: #10"]);
}

#[test]
fn sessions_and_what_is_new() {
    check("ready", expect!["nothing: Ready: #101 in 1 servers, Some(ShardInfo { id: ShardId(0), total: 1 })"]);
    check("resumed", expect!["nothing: Resumed"]);
    check("something_new", expect!["nothing: Unknown: SOMETHING_NEW"]);
}

#[test]
fn interactions() {
    check("interaction_create_autocomplete", expect![[r#"nothing: Autocomplete /say Some(("who", "Ad"))"#]]);
    check(
        "interaction_create_button",
        expect![[r#"
            nothing: Component more Button in #10
            human #1 "Captain Ada" avatar #1/834272.. may manage the server"#]],
    );
    check(
        "interaction_create_direct",
        expect![[r#"
            nothing: Command Help in #22
            nobody of a server"#]],
    );
    check(
        "interaction_create_in_thread",
        expect![[r#"
            nothing: Command Topic(Some("the sea")) in #20
            human #1 "Captain Ada" avatar #1/834272.. may manage the server"#]],
    );
    check(
        "interaction_create_message_command",
        expect![[r#"
            nothing: Command about Some("m12") in #10
            human #1 "Captain Ada" avatar #1/834272.. may manage the server"#]],
    );
    check(
        "interaction_create_more",
        expect![[r#"
            nothing: Command More(3) in #10
            human #1 "Captain Ada" avatar #1/834272.. may manage the server"#]],
    );
    check(
        "interaction_create_no_options",
        expect![[r#"
            nothing: Command Cast in #10
            human #2 "bo_1999" avatar #2/a_1c4c.. may not manage the server"#]],
    );
    check(
        "interaction_create_pace",
        expect![[r#"
            nothing: Command Pace(Some(Custom { reply_chance: 0.5, min_delay: 2.0, max_delay: 20.0 })) in #10
            human #1 "Captain Ada" avatar #1/834272.. may manage the server"#]],
    );
    check(
        "interaction_create_select",
        expect![[r#"
            nothing: Component dismiss-one StringSelect { values: ["Ada"] } in #10
            human #1 "Captain Ada" avatar #1/834272.. may manage the server"#]],
    );
    check(
        "interaction_create_summon",
        expect![[r#"
            nothing: Command Summon(["Captain Ada", "Bo"]) in #10
            human #1 "Captain Ada" avatar #1/834272.. may manage the server"#]],
    );
}
