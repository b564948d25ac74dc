import { attributeTypes } from '@lockstep/contracts'
import { checkOneOf, tenantTable } from '@lockstep/database'

/** Attributes with a type, by the name that they have in a contact's attributes. */
const definitions = `create table attribute_definitions (
    id uuid primary key,
    account_id uuid not null,
    name text not null,
    label text not null,
    type text not null ${checkOneOf('type', attributeTypes)},
    choices text[] not null,
    created_at timestamptz not null,
    -- A transaction that began when everybody could see it; contacts are indexed once older ones are over.
    seen_xid xid8,
    -- Contacts up to this one are indexed; null when all are.
    indexed_after uuid,
    -- Its values are being taken out of the index, and then it is.
    dropped_at timestamptz
  );
  create unique index attribute_definitions_name on attribute_definitions (account_id, name)
    where dropped_at is null;
  create index attribute_definitions_work on attribute_definitions (id)
    where indexed_after is not null or dropped_at is not null;
  ${tenantTable('contacts', 'attribute_definitions')}`

/**
 * What contacts have under defined attributes, so that a filter finds them by an index: equality and
 * order of uuid, text, float8 and date are leakproof.
 */
const values = `create table contact_values (
    attribute_id uuid not null,
    contact_id uuid not null,
    account_id uuid not null,
    text_value text,
    number_value float8,
    date_value date,
    primary key (contact_id, attribute_id),
    check (num_nonnulls(text_value, number_value, date_value) = 1)
  );
  create index contact_values_text on contact_values (attribute_id, text_value, contact_id)
    where text_value is not null;
  create index contact_values_number on contact_values (attribute_id, number_value, contact_id)
    where number_value is not null;
  create index contact_values_date on contact_values (attribute_id, date_value, contact_id)
    where date_value is not null;
  ${tenantTable('contacts', 'contact_values')}`

const functions = `
  create function attributes_with_work() returns table (id uuid, account_id uuid)
    language sql stable security definer set search_path = contacts, pg_temp
    as $$ select d.id, d.account_id from attribute_definitions d
          where d.indexed_after is not null or d.dropped_at is not null
          order by d.id limit 100 $$;`

/** SQL of attributes with a type. */
export const attributeTables = [definitions, values, functions].join('\n')
