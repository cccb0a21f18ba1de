//! One WebSocket of the gateway: HELLO, IDENTIFY or RESUME, heartbeats, events, and the codes it is closed with.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Discord;
use super::events::{self, GUILD_MEMBERS, GUILD_PRESENCES, GUILDS, KNOWN, PRIVILEGED};
use super::gateway::Order;
use super::payload::id;
use super::world::World;

/// What a client may send in a minute.
const FRAMES_A_MINUTE: u32 = 120;

/// What to do after something came in: send these frames, then perhaps close.
#[derive(Default)]
struct Reaction {
    frames: Vec<String>,
    close: Option<u16>,
}

/// Speaks with one client until it goes, misbehaves or is told to go.
pub async fn converse(discord: Arc<Discord>, mut socket: WebSocket) {
    let wake = Arc::new(Notify::new());
    let number = discord.world().gateway.open(wake.clone());
    // Where the client has gone there is nobody to tell.
    let code = exchange(&discord, &mut socket, number, &wake).await.unwrap_or_default();
    leave(&mut discord.world(), number, code);
    if let Some(code) = code {
        close(&mut socket, code).await;
    }
}

fn leave(world: &mut World, number: u64, code: Option<u16>) {
    // After these codes a client has to identify anew; after the others it may resume.
    if matches!(code, Some(1000 | 1001 | 4004 | 4007 | 4009..=4014)) {
        world.gateway.end_session(number);
    }
    world.gateway.close(number);
    world.touch();
}

async fn exchange(
    discord: &Discord,
    socket: &mut WebSocket,
    number: u64,
    wake: &Notify,
) -> Result<Option<u16>, axum::Error> {
    let interval = discord.options.heartbeat_interval;
    let hello = json!({ "op": 10, "s": null, "t": null, "d": { "heartbeat_interval": interval.as_millis() as u64 } });
    send(socket, hello.to_string()).await?;
    // The first beat comes at a random time within the interval, so more than one interval must pass before it is late.
    let mut due = Instant::now() + interval * 2;
    let mut minute = (Instant::now(), 0);
    loop {
        let reaction = tokio::select! {
            () = wake.notified() => follow(&mut discord.world(), number),
            () = sleep_until(due) => Reaction::close(4009),
            received = socket.recv() => match received {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(Message::Close(frame))) => {
                    forget_if_clean(discord, number, frame.map_or(1005, |frame| frame.code));
                    return Ok(None);
                }
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                    if frame["op"] == 1 {
                        due = Instant::now() + interval + interval / 2;
                    }
                    if too_many(&mut minute) { Reaction::close(4008) } else { handle(discord, number, &frame) }
                }
                Some(Ok(Message::Binary(_))) => Reaction::close(4002),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Reaction::default(),
            },
        };
        for frame in reaction.frames {
            send(socket, frame).await?;
        }
        if reaction.close.is_some() {
            return Ok(reaction.close);
        }
        while let Some(frames) = next_frames(discord, number) {
            for (seq, body) in frames {
                send(socket, format!(r#"{{"op":0,"s":{seq},{body}"#)).await?;
            }
        }
    }
}

impl Reaction {
    fn close(code: u16) -> Self {
        Self { frames: Vec::new(), close: Some(code) }
    }

    fn say(op: u8, data: &Value) -> Self {
        Self { frames: vec![json!({ "op": op, "s": null, "t": null, "d": data }).to_string()], close: None }
    }
}

async fn send(socket: &mut WebSocket, frame: String) -> Result<(), axum::Error> {
    socket.send(Message::Text(frame.into())).await
}

async fn close(socket: &mut WebSocket, code: u16) {
    let reason = format!("closed by the fake with {code}");
    // The client may have gone first.
    socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.ok();
    // A client answers with a close frame of its own; without reading it the connection would be reset under it.
    let farewell = async { while socket.recv().await.is_some_and(|frame| frame.is_ok()) {} };
    tokio::time::timeout(Duration::from_secs(2), farewell).await.ok();
}

fn next_frames(discord: &Discord, number: u64) -> Option<Vec<(u64, Arc<str>)>> {
    Some(discord.world().gateway.take_frames(number)).filter(|frames| !frames.is_empty())
}

fn too_many(minute: &mut (Instant, u32)) -> bool {
    if minute.0.elapsed() > Duration::from_secs(60) {
        *minute = (Instant::now(), 0);
    }
    minute.1 += 1;
    minute.1 > FRAMES_A_MINUTE
}

/// A client that closes with 1000 or 1001 says that it will not come back to its session.
fn forget_if_clean(discord: &Discord, number: u64, code: u16) {
    if matches!(code, 1000 | 1001) {
        discord.world().gateway.end_session(number);
    }
}

fn follow(world: &mut World, number: u64) -> Reaction {
    match world.gateway.take_order(number) {
        None => Reaction::default(),
        Some(Order::Close(code)) => Reaction::close(code),
        Some(Order::Reconnect) => Reaction::say(7, &Value::Null),
        Some(Order::Beat) => Reaction::say(1, &Value::Null),
        Some(Order::Invalid) => {
            world.gateway.end_session(number);
            Reaction::say(9, &json!(false))
        }
    }
}

fn handle(discord: &Discord, number: u64, frame: &Value) -> Reaction {
    let mut world = discord.world();
    let known = world.gateway.session(number).is_some();
    match frame["op"].as_u64() {
        None => Reaction::close(4002),
        Some(1) if world.gateway.silent => Reaction::default(),
        Some(1) => Reaction::say(11, &Value::Null),
        Some(2 | 6) if known => Reaction::close(4005),
        Some(2) => identify(&mut world, number, &frame["d"], &discord.gateway_url),
        Some(6) => resume(&mut world, number, &frame["d"]),
        Some(_) if !known => Reaction::close(4003),
        Some(3 | 4 | 31) => Reaction::default(),
        Some(8) => send_members(&mut world, number, &frame["d"]),
        Some(_) => Reaction::close(4001),
    }
}

fn has_token(world: &World, data: &Value) -> bool {
    // Libraries may or may not put "Bot " before the token here.
    data["token"].as_str().is_some_and(|token| token.trim_start_matches("Bot ") == world.options.token)
}

fn identify(world: &mut World, number: u64, data: &Value, url: &str) -> Reaction {
    if !has_token(world, data) {
        return Reaction::close(4004);
    }
    let Some(intents) = data["intents"].as_u64().filter(|intents| intents & !KNOWN == 0) else {
        return Reaction::close(4013);
    };
    if intents & PRIVILEGED & !world.options.privileged_intents != 0 {
        return Reaction::close(4014);
    }
    let Some(shard) = read_shard(&data["shard"]) else { return Reaction::close(4010) };
    if identifies_too_fast(world, shard.0) {
        world.violation(format!("shard {} identified before its turn", shard.0));
        return Reaction::say(9, &json!(false));
    }
    let session = world.secret();
    let ready = world.greeting(&session, shard, url);
    world.gateway.start(number, session, shard, intents);
    to_session(world, number, "READY", &ready);
    if intents & GUILDS != 0 {
        send_guilds(world, number, &ready, intents & GUILD_PRESENCES != 0);
    }
    world.touch();
    Reaction::default()
}

fn read_shard(shard: &Value) -> Option<(u32, u32)> {
    if shard.is_null() {
        return Some((0, 1));
    }
    let number = |index: usize| u32::try_from(shard[index].as_u64()?).ok();
    let (shard, of) = (number(0)?, number(1)?);
    (shard < of).then_some((shard, of))
}

/// One IDENTIFY each five seconds for the shards with the same remainder by `max_concurrency`.
fn identifies_too_fast(world: &mut World, shard: u32) -> bool {
    let key = shard % world.options.max_concurrency;
    let interval = world.options.identify_interval;
    world.gateway.identifies += 1;
    let last = world.gateway.identified.insert(key, Instant::now());
    last.is_some_and(|last| last.elapsed() < interval)
}

fn send_guilds(world: &mut World, number: u64, ready: &Value, all_members: bool) {
    let ids = ready["guilds"].as_array().into_iter().flatten();
    let ids: Vec<u64> = ids.filter_map(|guild| guild["id"].as_str()?.parse().ok()).collect();
    for guild in ids {
        let json = world.full_guild_json(&world.guilds[&guild], all_members);
        to_session(world, number, "GUILD_CREATE", &json);
    }
}

fn to_session(world: &mut World, number: u64, name: &str, data: &Value) {
    let Some(session) = world.gateway.session(number).map(|session| session.id.clone()) else { return };
    let body = events::frame(name, data);
    world.gateway.publish(|other| (other.id == session).then(|| body.clone()));
}

fn resume(world: &mut World, number: u64, data: &Value) -> Reaction {
    if !has_token(world, data) {
        return Reaction::close(4004);
    }
    let seq = data["seq"].as_u64().unwrap_or(0);
    let resumed = world.gateway.resume(number, data["session_id"].as_str().unwrap_or_default(), seq);
    world.touch();
    match resumed {
        None => Reaction::say(9, &json!(false)),
        Some(Err(Order::Close(code))) => Reaction::close(code),
        Some(_) => {
            to_session(world, number, "RESUMED", &json!({}));
            Reaction::default()
        }
    }
}

/// REQUEST_GUILD_MEMBERS: all members need their intent, single ones by id do not.
fn send_members(world: &mut World, number: u64, data: &Value) -> Reaction {
    let guild = data["guild_id"].as_str().and_then(|id| id.parse().ok()).and_then(|id: u64| world.guilds.get(&id));
    let intents = world.gateway.session(number).map_or(0, |session| session.intents);
    let Some(guild) = guild.filter(|guild| world.has_bot(guild)) else { return Reaction::default() };
    let asked: Option<Vec<u64>> = data["user_ids"].as_array().map(|ids| ids.iter().filter_map(read).collect());
    if asked.is_none() && intents & GUILD_MEMBERS == 0 {
        return Reaction::default();
    }
    let wanted = |user: &u64| asked.as_ref().is_none_or(|asked| asked.contains(user));
    let members = guild.members.values().filter(|member| wanted(&member.user));
    let members: Vec<Value> = members.map(|member| world.member_json(member)).collect();
    let chunk = json!({
        "guild_id": id(guild.id), "members": members, "chunk_index": 0, "chunk_count": 1, "nonce": data["nonce"],
    });
    to_session(world, number, "GUILD_MEMBERS_CHUNK", &chunk);
    Reaction::default()
}

fn read(id: &Value) -> Option<u64> {
    id.as_str()?.parse().ok()
}
