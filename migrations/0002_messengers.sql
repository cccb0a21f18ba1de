-- What a messenger needs beyond a history: people and communities that come and go, several processes that share the
-- rooms, who led to what was said, and what people thought of it.

-- People and places.

alter table community
    add column consent_policy text not null default 'opt_in' check (consent_policy in ('opt_in', 'opt_out')),
    add column left_at        timestamptz;         -- when the bot was removed from it

alter table member
    add column left_at  timestamptz,               -- when the member left; they may come back
    add column departed boolean not null default false,    -- the time to come back is over
    add check (left_at is not null or not departed),
    add check (forgotten_at is null or left_at is null);
create index member_leaving on member (left_at) where left_at is not null and not departed;

alter table room
    add column noticed_at  timestamptz,            -- when the notice of the first use was shown
    add column complete_to bigint;                 -- a message_key: the history holds what the platform had up to here
create index room_parent on room (parent_id) where parent_id is not null;

-- Which process may speak in a room. A row is never deleted, or its fence would start again.
create table room_lease (
    room_id    int         primary key references room on delete cascade,
    owner      text        not null,
    fence      bigint      not null,               -- rises by one when the owner changes
    renewals   bigint      not null default 0,     -- since the owner changed
    held_until timestamptz not null                -- by the clock of this server; -infinity where it was given back
);
create index room_lease_owner on room_lease (owner);

-- Who led to what was said.

alter table outbox
    add column voice     text not null default '', -- the model, or what else found the words
    add column caused_by int  references member on delete set null;
create index outbox_caused_by on outbox (caused_by) where caused_by is not null;
create index outbox_message on outbox (room_id, message_key) where message_key is not null;

alter table message
    add column voice     text,                     -- of a persona
    add column caused_by int;                      -- no foreign key, as with the other members of this table
create index message_caused_by on message (caused_by) where caused_by is not null;
create index message_generated on message (room_id, message_key) where origin = 'generated' and deleted_at is null;

create table feedback (                            -- what people thought of what a persona said
    room_id     int         not null,
    message_key bigint      not null,
    member_id   int         not null references member on delete cascade,
    verdict     text        not null check (verdict in ('up', 'down', 'reroll')),
    said_at     timestamptz not null,
    primary key (room_id, message_key, member_id, verdict),
    foreign key (room_id, message_key) references message on delete cascade
);
create index feedback_member on feedback (member_id);

-- Reading what was said before the bot came.

create table backfill (
    room_id    int         primary key references room on delete cascade,
    before_key bigint,                             -- read on from here backwards; null: from the newest
    stored     bigint      not null default 0 check (stored >= 0),
    read       bigint      not null default 0 check (read >= 0),
    state      text        not null check (state in ('running', 'stopped', 'done')),
    started_by int         references member on delete set null,
    report_to  text,                               -- where progress is shown; only the platform reads it
    changed_at timestamptz not null
);

-- Models that were trained on what members said.

create table adapter (
    adapter_id   int         generated always as identity primary key,
    community_id int         not null references community,
    name         text        not null,
    path         text        not null,
    made_at      timestamptz not null,
    stale_at     timestamptz,                      -- when somebody it was trained on withdrew
    stale_reason text,
    unique (community_id, name, made_at),
    check ((stale_at is null) = (stale_reason is null))
);

create table adapter_member (
    adapter_id int not null references adapter on delete cascade,
    member_id  int not null references member on delete cascade,
    primary key (adapter_id, member_id)
);
create index adapter_member_member on adapter_member (member_id);
