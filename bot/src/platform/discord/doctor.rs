//! What is wrong with a set-up on Discord, found out without connecting to its gateway.

use serenity::{
    http::Http,
    model::{
        Permissions,
        application::ApplicationFlags,
        id::{ChannelId, GuildId, RoleId},
    },
};

use super::{
    Settings, Us,
    api::{self, Fault},
    commands,
    directory::Directory,
    identify, invite,
};
use crate::doctor::Finding;

/// How many channels that lack something are named for a server.
const NAMED: usize = 10;

/// Looks at everything that personas need on Discord.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let http = match api::connect(settings) {
        Ok(http) => http,
        Err(error) => return vec![Finding::wrong("Discord", format!("{error:#}"), "correct the configuration")],
    };
    let (us, flags) = match identify(&http).await {
        Ok(known) => known,
        Err(fault) => return vec![unreachable(&fault)],
    };
    http.set_application_id(us.application);
    findings.push(Finding::fine("Discord: token", "it is accepted"));
    findings.extend(intents(flags));
    match servers(&http, us).await {
        Ok(of_servers) => findings.extend(of_servers),
        Err(fault) => findings.push(unreachable(&fault)),
    }
    findings.extend(registration(&http, us, settings).await);
    findings
}

fn unreachable(fault: &Fault) -> Finding {
    let mend = match fault {
        Fault::Token => "put the new token into GROUPCHAT__DISCORD__TOKEN or discord.token_file",
        Fault::Passing(_) => "see whether this machine reaches https://discord.com, and try again",
        _ => "see what it says, and try again",
    };
    Finding::wrong("Discord", fault.to_string(), mend)
}

/// Both privileged intents must be on. A flag is set either as granted or, for small bots, as limited.
fn intents(flags: ApplicationFlags) -> [Finding; 2] {
    let check = |name: &str, full: ApplicationFlags, limited: ApplicationFlags| {
        let about = format!("Discord: {name}");
        if flags.intersects(full | limited) {
            return Finding::fine(&about, "it is on");
        }
        let mend =
            format!("turn it on in the Developer Portal: your application, Bot, Privileged Gateway Intents, {name}");
        Finding::wrong(&about, "it is off, so Discord does not let the bot in", mend)
    };
    [
        check(
            "Server Members Intent",
            ApplicationFlags::GATEWAY_GUILD_MEMBERS,
            ApplicationFlags::GATEWAY_GUILD_MEMBERS_LIMITED,
        ),
        check(
            "Message Content Intent",
            ApplicationFlags::GATEWAY_MESSAGE_CONTENT,
            ApplicationFlags::GATEWAY_MESSAGE_CONTENT_LIMITED,
        ),
    ]
}

async fn servers(http: &Http, us: Us) -> Result<Vec<Finding>, Fault> {
    let guilds = http.get_guilds(None, None).await?;
    if guilds.is_empty() {
        let mend = format!("open this link and choose a server: {}", invite::link(us.application));
        return Ok(vec![Finding::wrong("Discord: servers", "the bot is in no server", mend)]);
    }
    let mut findings = Vec::new();
    for guild in guilds {
        findings.push(server(http, us, guild.id).await?);
    }
    Ok(findings)
}

/// What the bot may do in the channels of a server.
async fn server(http: &Http, us: Us, id: GuildId) -> Result<Finding, Fault> {
    let directory = Directory::default();
    let guild = http.get_guild(id).await?;
    directory.put_guild(id, &guild.name, guild.owner_id, guild.roles.iter());
    let roles: Vec<RoleId> = http.get_member(id, us.user).await?.roles;
    http.get_channels(id).await?.iter().for_each(|channel| directory.put_channel(channel));
    let mut lacking: Vec<(String, Permissions)> = Vec::new();
    let channels = directory.channels_of(id);
    for (channel, known) in &channels {
        let missing = missing(&directory, us, *channel, &roles);
        if !missing.is_empty() {
            lacking.push((known.name.clone(), missing));
        }
    }
    lacking.sort_by(|a, b| a.0.cmp(&b.0));
    let about = format!("Discord: {}", guild.name);
    if lacking.is_empty() {
        return Ok(Finding::fine(
            &about,
            format!("{} channels, all with the permissions that are needed", channels.len()),
        ));
    }
    let of = |(name, missing): &(String, Permissions)| {
        format!("#{name} lacks {}", missing.get_permission_names().join(", "))
    };
    let mut what: Vec<String> = lacking.iter().take(NAMED).map(of).collect();
    if lacking.len() > NAMED {
        what.push(format!("and {} more", lacking.len() - NAMED));
    }
    let mend =
        "where personas are to speak, give the bot's role these permissions in the channel's settings (Permissions)";
    let what = format!("{} of {} channels: {}", lacking.len(), channels.len(), what.join("; "));
    // Nobody need want personas in every channel.
    Ok(if lacking.len() < channels.len() {
        Finding::note(&about, what, mend)
    } else {
        Finding::wrong(&about, what, mend)
    })
}

fn missing(directory: &Directory, us: Us, channel: ChannelId, roles: &[RoleId]) -> Permissions {
    let may = directory.permissions(channel, us.user, roles).unwrap_or_default();
    invite::NEEDED & !may
}

async fn registration(http: &Http, us: Us, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (scope, route) in commands::scopes(us.application, settings) {
        let about = format!("Discord: commands {scope}");
        findings.push(match commands::is_registered(http, route).await {
            Ok(true) => Finding::fine(&about, "they are registered"),
            Ok(false) => Finding::note(
                &about,
                "they are not registered, or are those of another version",
                "start `groupchat run`, which registers them; everywhere it can take Discord some minutes to show them",
            ),
            Err(fault) => Finding::wrong(
                &about,
                fault.to_string(),
                format!("invite the bot again, with its commands: {}", invite::link(us.application)),
            ),
        });
    }
    findings
}
