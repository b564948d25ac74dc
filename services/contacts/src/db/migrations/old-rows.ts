import { metaConsentVias, ownConsentVias } from '@lockstep/contracts'

/**
 * Deletes a page of old imports' refused rows, then imports without any that are no consent's
 * evidence.
 */
export const forgetImports = `
  create function forget_imports(before timestamptz, most integer,
    out rows integer, out more boolean)
  language plpgsql security definer set search_path = contacts, pg_temp
  as $$ declare old uuid[]; gone integer; begin
    old := array(select id from imports
                 where finished_at < before and finished_at is not null and forgotten_at is null
                 order by finished_at limit 100 for update skip locked);
    delete from import_errors e
      using (select import_id, line from import_errors where import_id = any(old)
             order by import_id, line limit most) page
      where e.import_id = page.import_id and e.line = page.line;
    get diagnostics rows = row_count;
    more := rows = most;
    if more then return; end if;
    delete from imports i where i.id = any(old)
      and not exists (select from consents k where k.via = 'import' and k.evidence = i.id::text);
    get diagnostics gone = row_count;
    update imports set forgotten_at = now() where id = any(old);
    rows := rows + gone;
    more := cardinality(old) = 100;
  end $$;`

const textArray = (names: readonly string[]) => `'{${names.join()}}'::text[]`
const metaVias = textArray(metaConsentVias)
const ownVias = textArray(ownConsentVias)

/**
 * Deletes from a page of consents what the same person said again, by the same clock, before a time. The last of each kind and
 * clock stays, so that flags come out the same.
 */
export const forgetConsents = `
  create table consent_walk (after_id bigint not null, done_at timestamptz not null);
  insert into consent_walk values (0, '-infinity');
  create function forget_consents(before timestamptz, most integer,
    out rows integer, out more boolean)
  language plpgsql security definer set search_path = contacts, pg_temp
  as $$ declare place bigint; last bigint; youngest timestamptz; looked_at integer; begin
    rows := 0;
    more := false;
    select after_id into place from consent_walk
      where done_at < now() - interval '1 day' for update skip locked;
    if not found then return; end if;
    select count(*), max(id), max(recorded_at) into looked_at, last, youngest
      from (select id, recorded_at from consents where id > place order by id limit most) page;
    delete from consents k where k.id > place and k.id <= last and k.said_at < before
      and exists (
        select from unnest(case when k.via = any(${metaVias}) then ${metaVias} else ${ownVias} end) same(via)
          cross join lateral (
            select from consents later
            where later.account_id = k.account_id and later.namespace = k.namespace
              and later.match_key = k.match_key and later.kind = k.kind
              and later.via = same.via and later.said_at > k.said_at and later.said_at < before
            limit 1) again);
    get diagnostics rows = row_count;
    more := looked_at = most and youngest < before;
    update consent_walk set after_id = case when more then last else 0 end,
      done_at = case when more then done_at else now() end;
  end $$;`
