//! Checks of the fake itself, with serenity as the client: limits, RESUME, permissions, and the three seconds.

use std::time::{Duration, Instant};

use serde_json::json;
use serenity::all::{
    ApplicationFlags, ChannelId, ClientBuilder, CommandOptionType, Context, CreateActionRow, CreateAllowedMentions,
    CreateAttachment, CreateAutocompleteResponse, CreateButton, CreateCommand, CreateCommandOption,
    CreateInteractionResponse, CreateInteractionResponseFollowup, CreateInteractionResponseMessage, CreateMessage,
    CreateWebhook, EditInteractionResponse, EditWebhookMessage, Event, ExecuteWebhook, GatewayIntents, GetMessages,
    GuildId, Http, HttpBuilder, MessageId, RawEventHandler, ReactionType, Webhook,
};
use tokio::sync::mpsc;

use crate::fake::*;

type Events = mpsc::Receiver<(Context, Event)>;

fn http(discord: &FakeDiscord) -> Http {
    HttpBuilder::new(discord.token()).client(client_of(discord)).application_id(APPLICATION.into()).build()
}

struct Forward(mpsc::Sender<(Context, Event)>);

#[serenity::async_trait]
impl RawEventHandler for Forward {
    async fn raw_event(&self, context: Context, event: Event) {
        self.0.send((context, event)).await.ok();
    }
}

/// Runs a client and gives what it hears.
async fn connect(discord: &FakeDiscord, intents: GatewayIntents) -> Events {
    let (sender, events) = mpsc::channel(4096);
    let client = ClientBuilder::new_with_http(http(discord), intents);
    let mut client = client.raw_event_handler(Forward(sender)).await.unwrap();
    tokio::spawn(async move { client.start().await });
    events
}

async fn hear<T>(events: &mut Events, what: impl Fn(&Event) -> Option<T>) -> (Context, T) {
    let listen = async {
        loop {
            let (context, event) = events.recv().await.expect("the client runs");
            // What serenity cannot parse it calls unknown: then the fake got the shape wrong.
            assert!(!matches!(event, Event::Unknown(_)), "serenity does not know {event:?}");
            if let Some(found) = what(&event) {
                return (context, found);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listen).await.expect("the event comes in time")
}

fn text(event: &Event) -> Option<String> {
    match event {
        Event::MessageCreate(event) => Some(event.message.content.clone()),
        _ => None,
    }
}

fn code(error: &serenity::Error) -> isize {
    match error {
        serenity::Error::Http(serenity::http::HttpError::UnsuccessfulRequest(response)) => response.error.code,
        other => panic!("not an answer of Discord: {other}"),
    }
}

async fn webhook(http: &Http, channel: u64) -> Webhook {
    ChannelId::new(channel).create_webhook(http, CreateWebhook::new("groupchat")).await.unwrap()
}

fn line(text: &str) -> ExecuteWebhook {
    ExecuteWebhook::new().content(text).username("Ada").allowed_mentions(CreateAllowedMentions::new())
}

#[tokio::test]
async fn webhooks_speak_within_their_limit() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let http = http(&discord);
    let webhook = webhook(&http, channel).await;
    let start = Instant::now();
    for number in 0..12 {
        webhook.execute(&http, true, line(&format!("line {number}"))).await.unwrap().unwrap();
    }
    assert!(start.elapsed() > Duration::from_secs(4), "12 posts took {:?}", start.elapsed());
    assert_eq!(discord.webhook_messages().len(), 12);
    assert_eq!(discord.invalid_requests(), 0);
    let first = discord.next_webhook_message().await;
    assert_eq!((first.author_name.as_str(), first.channel), ("Ada", channel));
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn webhooks_are_bound_by_the_rules() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let forum = discord.forum(guild, "ideas");
    let ada = discord.user("ada");
    discord.join(guild, ada, None);
    let post = discord.forum_post(forum, "first", ada, "an idea");
    let http = http(&discord);
    let named = |name: &str| ChannelId::new(channel).create_webhook(&http, CreateWebhook::new(name));
    assert_eq!(code(&named("my Discord friend").await.unwrap_err()), 50035);
    let hook = webhook(&http, channel).await;
    let masked = hook.execute(&http, true, line("hello").username("CLYDE")).await.unwrap_err();
    assert_eq!(code(&masked), 50035);
    assert_eq!(code(&hook.execute(&http, true, line(" ")).await.unwrap_err()), 50006);
    let elsewhere = hook.execute(&http, true, line("lost").in_thread(ChannelId::new(post))).await.unwrap_err();
    assert_eq!(code(&elsewhere), 10003);
    let forum_hook = webhook(&http, forum).await;
    assert_eq!(code(&forum_hook.execute(&http, true, line("homeless")).await.unwrap_err()), 220_001);
    discord.archive(post);
    forum_hook.execute(&http, true, line("home").in_thread(ChannelId::new(post))).await.unwrap();
    assert_eq!(discord.messages(post).len(), 2);
    discord.fill_webhooks(channel, 14);
    assert_eq!(code(&named("one too many").await.unwrap_err()), 30007);
    discord.delete_webhook(hook.id.get());
    for _ in 0..2 {
        assert_eq!(code(&hook.execute(&http, true, line("gone")).await.unwrap_err()), 10015);
    }
    assert_eq!(discord.violations().len(), 1);
}

#[tokio::test]
async fn permissions_are_computed() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let thread = discord.thread(channel, "aside");
    let http = http(&discord);
    let post = |channel: u64| ChannelId::new(channel).say(&http, "hello");
    let message = post(thread).await.unwrap();
    discord.deny(channel, SEND_MESSAGES);
    assert_eq!(code(&post(channel).await.unwrap_err()), 50013);
    post(thread).await.unwrap();
    discord.deny(channel, SEND_MESSAGES_IN_THREADS);
    assert_eq!(code(&post(thread).await.unwrap_err()), 50013);
    discord.deny(channel, ADD_REACTIONS);
    let smile = ReactionType::Unicode("😀".into());
    assert_eq!(code(&message.react(&http, smile.clone()).await.unwrap_err()), 50013);
    discord.react(thread, message.id.get(), discord.owner(guild), "😀");
    message.react(&http, smile).await.unwrap();
    assert_eq!(discord.messages(thread)[0].reactions[0].1.len(), 2);
    discord.deny(channel, VIEW_CHANNEL);
    assert_eq!(code(&post(channel).await.unwrap_err()), 50001);
    discord.deny(channel, 0);
    discord.set_bot_permissions(guild, 0);
    let hooks = ChannelId::new(channel).webhooks(&http).await.unwrap_err();
    assert_eq!(code(&hooks), 50013);
    discord.kick_bot(guild);
    assert_eq!(code(&post(channel).await.unwrap_err()), 50001);
    assert_eq!(code(&GuildId::new(guild).to_partial_guild(&http).await.unwrap_err()), 50001);
    assert_eq!(code(&post(42).await.unwrap_err()), 10003);
}

#[tokio::test]
async fn history_is_read_in_pages() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let ada = discord.user("ada");
    discord.join(guild, ada, Some("Ada L."));
    let ids: Vec<u64> = (0..10).map(|number| discord.say(channel, ada, &format!("line {number}"))).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    let http = http(&discord);
    let read = async |which: GetMessages| {
        let messages = ChannelId::new(channel).messages(&http, which.limit(3)).await.unwrap();
        messages.iter().map(|message| message.content[5..].parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(GetMessages::new()).await, [9, 8, 7]);
    assert_eq!(read(GetMessages::new().before(MessageId::new(ids[4]))).await, [3, 2, 1]);
    assert_eq!(read(GetMessages::new().after(MessageId::new(ids[4]))).await, [7, 6, 5]);
    assert_eq!(read(GetMessages::new().around(MessageId::new(ids[4]))).await, [5, 4, 3]);
    discord.deny(channel, READ_MESSAGE_HISTORY);
    assert_eq!(read(GetMessages::new()).await, [0_u32; 0]);
}

#[tokio::test]
async fn events_follow_intents_and_survive_a_resume() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let ada = discord.user("ada");
    discord.join(guild, ada, None);
    let intents = GatewayIntents::non_privileged() | GatewayIntents::MESSAGE_CONTENT | GatewayIntents::GUILD_MEMBERS;
    let mut events = connect(&discord, intents).await;
    discord.connected().await;
    let created = |event: &Event| if let Event::GuildCreate(event) = event { Some(event.guild.clone()) } else { None };
    let (_, seen) = hear(&mut events, created).await;
    assert_eq!((seen.name.as_str(), seen.channels.len(), seen.members.len()), ("chat", 1, 1));
    discord.say(channel, ada, "before");
    assert_eq!(hear(&mut events, text).await.1, "before");
    discord.drop_gateway(4000);
    discord.say(channel, ada, "in the gap");
    discord.resumed_times(1).await;
    assert_eq!(hear(&mut events, text).await.1, "in the gap");
    discord.send_reconnect();
    discord.resumed_times(2).await;
    assert_eq!(discord.identifies(), 1);
    let late = discord.guild("late");
    let aside = discord.channel(late, "aside");
    discord.thread(aside, "deep");
    discord.rename(guild, ada, Some("Countess"));
    let message = discord.reply(channel, ada, discord.messages(channel)[0].id, "again");
    discord.react(channel, message, ada, "👍");
    discord.unreact(channel, message, ada, "👍");
    discord.clear_reactions(channel, message);
    discord.edit(channel, message, "edited");
    discord.starts_typing(channel, ada);
    discord.set_bot_permissions(guild, OF_THE_BOT);
    discord.give_permissions(guild, ada, ADMINISTRATOR);
    discord.fill_webhooks(channel, 1);
    discord.rename_guild(guild, "chatter");
    discord.rename_channel(channel, "hall");
    discord.delete_bulk(channel, &discord.messages(channel).iter().map(|m| m.id).take(2).collect::<Vec<_>>());
    discord.delete(channel, message);
    discord.leave(guild, ada);
    discord.delete_channel(channel);
    discord.kick_bot(guild);
    let gone = |event: &Event| match event {
        Event::GuildDelete(event) => Some((event.guild.id.get(), event.guild.unavailable)),
        _ => None,
    };
    assert_eq!(hear(&mut events, gone).await.1, (guild, false));
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn content_needs_its_intent() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let ada = discord.user("ada");
    discord.join(guild, ada, None);
    let mut events = connect(&discord, GatewayIntents::non_privileged()).await;
    discord.connected().await;
    discord.say(channel, ada, "secret");
    assert_eq!(hear(&mut events, text).await.1, "");
    discord.say(channel, ada, &format!("<@{BOT}> hello"));
    assert_eq!(hear(&mut events, text).await.1, format!("<@{BOT}> hello"));
    discord.say(discord.direct(ada), ada, "between us");
    assert_eq!(hear(&mut events, text).await.1, "between us");
}

#[tokio::test]
async fn intents_that_are_not_enabled_close_the_connection() {
    let discord = FakeDiscord::start_with(Options { privileged_intents: 0, ..Options::default() }).await;
    let client = ClientBuilder::new_with_http(http(&discord), GatewayIntents::MESSAGE_CONTENT);
    let error = client.await.unwrap().start().await.unwrap_err();
    assert!(error.to_string().contains("Disallowed gateway intents"), "{error}");
}

#[tokio::test]
async fn a_refused_resume_leads_to_a_new_session() {
    let options = Options { identify_interval: Duration::ZERO, ..Options::default() };
    let discord = FakeDiscord::start_with(options).await;
    let mut events = connect(&discord, GatewayIntents::non_privileged()).await;
    let ready = |event: &Event| matches!(event, Event::Ready(_)).then_some(());
    hear(&mut events, ready).await;
    discord.refuse_resume(true);
    discord.drop_gateway(4000);
    hear(&mut events, ready).await;
    assert_eq!(discord.identifies(), 2);
}

#[tokio::test]
async fn commands_are_registered_used_and_answered() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let ada = discord.user("ada");
    discord.join(guild, ada, None);
    let mut events = connect(&discord, GatewayIntents::non_privileged()).await;
    let (context, ()) = hear(&mut events, |event| matches!(event, Event::Ready(_)).then_some(())).await;
    let who = CreateCommandOption::new(CommandOptionType::User, "who", "whom to greet").required(true);
    let greet = CreateCommand::new("greet").description("greets somebody").add_option(who);
    GuildId::new(guild).set_commands(&context.http, vec![greet]).await.unwrap();
    let command = |event: &Event| match event {
        Event::InteractionCreate(event) => event.interaction.as_command().cloned(),
        _ => None,
    };

    let options = json!([{ "name": "who", "value": ada.to_string() }]);
    let asked = discord.slash(channel, ada, "greet", options.clone());
    let (context, used) = hear(&mut events, command).await;
    assert_eq!(used.data.resolved.users.len(), 1);
    assert_eq!(used.member.as_ref().unwrap().permissions.unwrap().bits(), OF_EVERYONE);
    let hello = CreateInteractionResponseMessage::new().content("hello").ephemeral(true);
    used.create_response(&context.http, CreateInteractionResponse::Message(hello)).await.unwrap();
    let answer = discord.answer(asked).await;
    assert_eq!((answer.content.as_str(), answer.ephemeral, answer.deferred), ("hello", true, false));
    assert_eq!(code(&used.defer(&context.http).await.unwrap_err()), 40060);

    let asked = discord.slash(channel, ada, "greet", options.clone());
    let (context, used) = hear(&mut events, command).await;
    used.defer(&context.http).await.unwrap();
    let file = CreateAttachment::bytes(b"bytes".to_vec(), "data.txt");
    let edit = EditInteractionResponse::new().content("later").new_attachment(file);
    used.edit_response(&context.http, edit).await.unwrap();
    let answer = discord.answer(asked).await;
    assert!(answer.deferred && !answer.ephemeral);
    assert_eq!(answer.files, [("data.txt".to_owned(), b"bytes".to_vec())]);

    discord.delay("/callback", Duration::from_millis(3_100));
    discord.slash(channel, ada, "greet", options);
    let (context, used) = hear(&mut events, command).await;
    assert_eq!(code(&used.defer(&context.http).await.unwrap_err()), 10062);
    assert_eq!(discord.violations().len(), 2);
}

#[tokio::test]
async fn trouble_comes_when_a_test_asks_for_it() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = ChannelId::new(discord.channel(guild, "general"));
    let http = http(&discord);
    discord.fail("/messages", 503, 1);
    assert!(channel.say(&http, "no").await.is_err());
    discord.limit_unannounced("/messages", Duration::from_millis(300), 1);
    let start = Instant::now();
    let file = CreateAttachment::bytes(vec![1, 2, 3], "a.bin");
    channel.send_message(&http, CreateMessage::new().content("yes").add_file(file)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(discord.invalid_requests(), 1);
    let statuses: Vec<u16> = discord.requests().iter().map(|request| request.2).collect();
    assert_eq!(statuses, [503, 429, 200]);
    assert_eq!(discord.messages(channel.get())[0].attachments[0].bytes, [1, 2, 3]);
    let wrong = FakeDiscord::start_with(Options { token: "another".into(), ..Options::default() }).await;
    let stranger = HttpBuilder::new("wrong").client(client_of(&wrong)).build();
    assert!(stranger.get_current_user().await.unwrap_err().to_string().contains("401"));
}

fn client_of(discord: &FakeDiscord) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(discord.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().add_root_certificate(ca);
    client.resolve("discord.com", discord.address()).build().unwrap()
}

#[tokio::test]
async fn choices_buttons_and_menus_are_answered() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let ada = discord.user("ada");
    discord.join(guild, ada, None);
    let mut events = connect(&discord, GatewayIntents::non_privileged()).await;
    let (context, ()) = hear(&mut events, |event| matches!(event, Event::Ready(_)).then_some(())).await;
    let http = context.http;
    let name = CreateCommandOption::new(CommandOptionType::String, "name", "whose").set_autocomplete(true);
    let add = CreateCommandOption::new(CommandOptionType::SubCommand, "add", "adds one").add_sub_option(name);
    let commands = vec![
        CreateCommand::new("persona").description("personas").add_option(add),
        CreateCommand::new("Quote this").kind(serenity::all::CommandType::Message),
    ];
    serenity::all::Command::set_global_commands(&http, commands).await.unwrap();
    let interaction = |event: &Event| match event {
        Event::InteractionCreate(event) => Some(event.interaction.clone()),
        _ => None,
    };

    let typing = discord.autocomplete(channel, ada, "persona add", "name", "Gr");
    let offering = async {
        let (context, asked) = hear(&mut events, interaction).await;
        let asked = asked.autocomplete().unwrap();
        assert_eq!(asked.data.autocomplete().map(|option| option.value.to_owned()), Some("Gr".to_owned()));
        let choices = CreateAutocompleteResponse::new().add_string_choice("Grace", "grace");
        asked.create_response(&context.http, CreateInteractionResponse::Autocomplete(choices)).await.unwrap();
    };
    let (choices, ()) = futures_util::future::join(typing, offering).await;
    assert_eq!(choices, [("Grace".to_owned(), "grace".to_owned())]);

    let message = discord.say(channel, ada, "quotable");
    let asked = discord.message_command(channel, ada, "Quote this", message);
    let used = hear(&mut events, interaction).await.1.command().unwrap();
    let row = CreateActionRow::Buttons(vec![CreateButton::new("more").label("More")]);
    let reply = CreateInteractionResponseMessage::new().content("quoted").ephemeral(true).components(vec![row]);
    used.create_response(&http, CreateInteractionResponse::Message(reply)).await.unwrap();
    let followup = CreateInteractionResponseFollowup::new().content("and more");
    used.create_followup(&http, followup).await.unwrap();
    let answer = discord.answer(asked).await;
    assert_eq!(discord.next_message(channel).await.content, "and more");

    let pressed = discord.press(channel, answer.message, ada, "more");
    let used = hear(&mut events, interaction).await.1.message_component().unwrap();
    let update = CreateInteractionResponseMessage::new().content("quoted more").components(Vec::new());
    used.create_response(&http, CreateInteractionResponse::UpdateMessage(update)).await.unwrap();
    let answer = discord.answer(pressed).await;
    assert_eq!((answer.content.as_str(), answer.components), ("quoted more", json!([])));
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_without_acks_is_left() {
    let options = Options { heartbeat_interval: Duration::from_secs(2), ..Options::default() };
    let discord = FakeDiscord::start_with(options).await;
    let _events = connect(&discord, GatewayIntents::non_privileged()).await;
    discord.connected().await;
    discord.silence_heartbeats(true);
    // serenity 0.12 does not resume here but starts a new session.
    discord.identified_times(2).await;
}

#[tokio::test]
async fn a_thousand_channels_are_no_burden() {
    let discord = FakeDiscord::start_with(Options { limits_times: 1_000, ..Options::default() }).await;
    let ada = discord.user("ada");
    let mut channels = Vec::new();
    for number in 0..200 {
        let guild = discord.guild(&format!("guild {number}"));
        discord.join(guild, ada, None);
        channels.extend((0..5).map(|channel| discord.channel(guild, &format!("channel {channel}"))));
    }
    let mut events = connect(&discord, GatewayIntents::non_privileged() | GatewayIntents::MESSAGE_CONTENT).await;
    discord.connected().await;
    let start = Instant::now();
    for number in 0..3_000 {
        discord.say(channels[number % channels.len()], ada, &format!("line {number} {}", "x".repeat(280)));
    }
    for number in 0..3_000 {
        assert!(hear(&mut events, text).await.1.starts_with(&format!("line {number} ")));
    }
    assert!(start.elapsed() < Duration::from_secs(6), "3000 messages took {:?}", start.elapsed());
}

#[tokio::test]
async fn answers_have_documented_shapes() {
    let discord = FakeDiscord::start().await;
    let guild = discord.guild("chat");
    let channel = discord.channel(guild, "general");
    let forum = discord.forum(guild, "ideas");
    discord.category(guild, "rooms");
    let ada = discord.user("ada");
    discord.join(guild, ada, Some("Ada L."));
    discord.forum_post(forum, "first", ada, "an idea");
    discord.set_avatar(guild, ada, Some("a_0123456789abcdef0123456789abcdef"));
    let file = ("note.txt".to_owned(), b"note".to_vec());
    let upload = discord.upload(channel, ada, "see", vec![file]);
    discord.reply(channel, ada, upload, "seen");
    let http = http(&discord);
    assert_eq!(http.get_current_user().await.unwrap().id.get(), BOT);
    let application = http.get_current_application_info().await.unwrap();
    assert_eq!(application.id.get(), APPLICATION);
    assert!(application.flags.unwrap().contains(ApplicationFlags::GATEWAY_MESSAGE_CONTENT_LIMITED));
    assert_eq!(http.get_bot_gateway().await.unwrap().session_start_limit.max_concurrency, 1);
    assert_eq!(http.get_guilds(None, None).await.unwrap().len(), 1);
    let id = GuildId::new(guild);
    assert_eq!(id.channels(&http).await.unwrap().len(), 3);
    assert_eq!(id.roles(&http).await.unwrap().len(), 2);
    assert_eq!(id.member(&http, ada).await.unwrap().nick.as_deref(), Some("Ada L."));
    assert_eq!(id.members(&http, None, None).await.unwrap().len(), 3);
    assert_eq!(id.get_active_threads(&http).await.unwrap().threads.len(), 1);
    assert_eq!(ChannelId::new(channel).to_channel(&http).await.unwrap().guild().unwrap().name, "general");
    let messages = ChannelId::new(channel).messages(&http, GetMessages::new()).await.unwrap();
    assert_eq!(messages[0].referenced_message.as_ref().unwrap().attachments[0].filename, "note.txt");
    let direct = serenity::all::UserId::new(ada).create_dm_channel(&http).await.unwrap();
    direct.say(&http, "hello").await.unwrap();
    assert_eq!(discord.next_message(discord.direct(ada)).await.content, "hello");
    let hook = webhook(&http, channel).await;
    let said =
        hook.execute(&http, true, line("draft").avatar_url("https://example.org/ada.png")).await.unwrap().unwrap();
    assert_eq!((said.author.name.as_str(), said.author.bot), ("Ada", true));
    hook.edit_message(&http, said.id, EditWebhookMessage::new().content("final")).await.unwrap();
    assert_eq!(hook.get_message(&http, None, said.id).await.unwrap().content, "final");
    hook.delete_message(&http, None, said.id).await.unwrap();
    assert_eq!(ChannelId::new(channel).webhooks(&http).await.unwrap()[0].application_id.unwrap().get(), APPLICATION);
    id.leave(&http).await.unwrap();
    assert_eq!(http.get_guilds(None, None).await.unwrap().len(), 0);
    assert_eq!(discord.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn shards_hear_of_their_guilds() {
    let discord = FakeDiscord::start().await;
    let ada = discord.user("ada");
    let mut channels = Vec::new();
    for number in 0..8 {
        // The shard comes from the time in the id, so guilds of one millisecond would share theirs.
        tokio::time::sleep(Duration::from_millis(2 + number % 2)).await;
        let guild = discord.guild(&format!("guild {number}"));
        discord.join(guild, ada, None);
        channels.push((discord.channel(guild, "general"), (guild >> 22) % 2));
    }
    let (sender, mut events) = mpsc::channel(4096);
    let client = ClientBuilder::new_with_http(http(&discord), GatewayIntents::non_privileged());
    let mut client = client.raw_event_handler(Forward(sender)).await.unwrap();
    tokio::spawn(async move { client.start_shards(2).await });
    discord.connected_times(2).await;
    for (channel, shard) in channels {
        discord.say(channel, ada, "hello");
        let (context, _) = hear(&mut events, text).await;
        assert_eq!(u64::from(context.shard_id.0), shard);
    }
    assert_eq!(discord.violations(), Vec::<String>::new());
}
