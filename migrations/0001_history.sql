-- People and places.

create table community (                   -- a Discord server, a Telegram group, one imported archive
    community_id int generated always as identity primary key,
    platform     text not null check (platform in ('web', 'discord', 'telegram', 'archive')),
    external_id  text not null,
    title        text not null default '',
    unique (platform, external_id)
);

create table room (                        -- a channel, a thread or a forum topic: the unit of conversation
    room_id      int generated always as identity primary key,
    community_id int  not null references community,
    parent_id    int  references room on delete set null,
    external_id  text not null,
    title        text not null default '',
    unique (community_id, external_id)
);

create table member (                      -- a person as one community knows them
    member_id    int generated always as identity primary key,
    community_id int         not null references community,
    member_key   text        not null,     -- the platform's name for them, opaque
    name         text        not null,     -- what they are called now; empty once forgotten
    name_seen_at timestamptz not null,     -- when that name was seen: an older sighting does not replace it
    is_bot       boolean     not null default false,
    avatar_url   text,
    consent      text        not null default 'unasked'
                 check (consent in ('unasked', 'declared', 'granted', 'refused')),
    forgotten_at timestamptz,              -- set by /forgetme: nothing of theirs is stored any more
    unique (community_id, member_key),
    check (forgotten_at is null or (name = '' and avatar_url is null and consent = 'refused'))
);

create table member_alias (                -- what a member was called, and when
    member_id  int         not null references member on delete cascade,
    name       text        not null,
    first_seen timestamptz not null,
    last_seen  timestamptz not null,       -- to the day: it is not rewritten for each message
    primary key (member_id, name)
);

create table consent_event (               -- the ledger: who said what, when; never rewritten
    consent_event_id bigint generated always as identity primary key,
    member_id        int         not null references member on delete cascade,
    consent          text        not null check (consent in ('unasked', 'declared', 'granted', 'refused')),
    said_at          timestamptz not null
);
create index consent_event_member on consent_event (member_id);

create table persona (                     -- a member's voice; its name and picture are the member's
    persona_id int generated always as identity primary key,
    member_id  int not null unique references member on delete cascade
);

-- History.

-- Rooms and members are never deleted, and the one statement that adds messages joins and locks them; a foreign key would
-- check them again for each row, which takes more than half of the time of an import (measured: 15 ms against 7 ms for a
-- batch of a thousand).
create table message (
    message_key bigint      not null,      -- rises within a room in the order of posting
    sent_at     timestamptz not null,
    room_id     int         not null,
    member_id   int,
    persona_id  int         references persona on delete cascade,
    reply_to    bigint,                    -- a message_key of the same room; the message may be unknown or gone
    edited_at   timestamptz,
    deleted_at  timestamptz,               -- a tombstone: the row stays so that an import does not bring it back
    origin      text        not null check (origin in ('posted', 'imported', 'generated')),
    provenance  text        not null check (provenance in ('api', 'export')),
    text        text        not null,
    nonce       text,                      -- ours, to recognise what we posted
    primary key (room_id, message_key),
    check ((member_id is null) <> (persona_id is null)),
    check (deleted_at is null or text = '')
);
create unique index message_nonce on message (room_id, nonce) where nonce is not null;
create index message_persona on message (persona_id) where persona_id is not null;
-- The history mostly grows: without these its statistics and visibility map lag behind a large import.
alter table message set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

create table message_edit (                -- earlier wordings, dropped with the message
    room_id     int         not null,
    message_key bigint      not null,
    replaced_at timestamptz not null,
    text        text        not null,
    primary key (room_id, message_key, replaced_at),
    foreign key (room_id, message_key) references message on delete cascade
);

create table reaction (                    -- who reacted
    room_id     int    not null,
    message_key bigint not null,
    emoji       text   not null,
    member_id   int    not null references member on delete cascade,
    primary key (room_id, message_key, emoji, member_id),
    foreign key (room_id, message_key) references message on delete cascade
);
create index reaction_member on reaction (member_id);

create table reaction_total (              -- how many reacted, where an export tells no more
    room_id     int    not null,
    message_key bigint not null,
    emoji       text   not null,
    total       bigint not null check (total > 0),
    primary key (room_id, message_key, emoji),
    foreign key (room_id, message_key) references message on delete cascade
);

create table finished_import (             -- files that need not be read again
    community_id int         not null references community on delete cascade,
    source       text        not null,     -- path, size and time of change of the file
    finished_at  timestamptz not null,
    primary key (community_id, source)
);

-- What the bot does in a room.

create table room_persona (                -- the cast of a room
    room_id     int         not null references room on delete cascade,
    persona_id  int         not null references persona on delete cascade,
    summoned_by int         references member on delete set null,
    summoned_at timestamptz not null,
    primary key (room_id, persona_id)
);
create index room_persona_persona on room_persona (persona_id);

create table room_setting (
    room_id    int         primary key references room on delete cascade,
    format     smallint    not null default 1,    -- of the document; raised when a key changes its meaning
    settings   jsonb       not null,
    changed_by int         references member on delete set null,
    changed_at timestamptz not null
);

create table outbox (                      -- written before a platform is called: never twice for one cause
    outbox_id   bigint generated always as identity primary key,
    room_id     int         not null references room on delete cascade,
    persona_id  int         not null references persona on delete cascade,
    cause       text        not null,
    text        text        not null,
    reply_to    bigint,
    state       text        not null default 'pending'
                check (state in ('pending', 'posting', 'posted', 'failed', 'expired', 'cancelled')),
    due_at      timestamptz not null,
    expires_at  timestamptz not null,
    started_at  timestamptz,
    ended_at    timestamptz,
    message_key bigint,                    -- what the platform called it
    check ((state = 'posted') = (message_key is not null))
);
-- A cause has one turn. One that ended without a message (cancelled, refused, too late) lets another have its cause.
create unique index outbox_cause on outbox (room_id, cause) where state in ('pending', 'posting', 'posted');
create index outbox_persona on outbox (persona_id);
create index outbox_unfinished on outbox (room_id) where state in ('pending', 'posting');
