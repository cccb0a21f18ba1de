-- Accounts that speak as a persona, where a platform has one name an account (persona bots on Telegram).

create table lent_account (
    platform   text        not null,
    account    text        not null,               -- what the platform calls it
    persona_id int         not null references persona on delete cascade,
    lent_at    timestamptz not null,
    primary key (platform, account)
);
create index lent_account_persona on lent_account (persona_id);
