import type { Clients, Tenant } from '@lockstep/testing/system'

/** People of a large account; each has two sessions, one of which is over. */
const grownPeople = 5_000

/** SQL that fills the tables of people for one account. */
export const peopleSeed = (accountId: string): string => `
  insert into accounts.people (id, email, name, password_hash, created_at)
    select ${personId('i')}, 'grown-' || i || '@example.com', 'Grown ' || i, '', now() from generate_series(1, ${grownPeople}) i;
  insert into accounts.members (account_id, person_id, role, created_at)
    select '${accountId}', ${personId('i')}, 'viewer', now() from generate_series(1, ${grownPeople}) i;
  insert into accounts.second_factors (id, account_id, sealed_secret, created_at, confirmed_at, last_step)
    select ${personId('i')}, '${accountId}', '', now(), now(), 0 from generate_series(1, ${grownPeople}) i;
  insert into accounts.recovery_codes (person_id, hash)
    select ${personId('i')}, sha256(convert_to('grown ' || i, 'UTF8')) from generate_series(1, ${grownPeople}) i;
  insert into accounts.sessions (id, account_id, person_id, hash, created_at, last_used_at, ends_at, address, user_agent)
    select gen_random_uuid(), '${accountId}', ${personId(`1 + i % ${grownPeople}`)}, sha256(convert_to('grown ' || i, 'UTF8')), now(), now(),
      now() + case when i <= ${grownPeople} then interval '14 days' else interval '-1 day' end, '127.0.0.1', ''
    from generate_series(1, ${2 * grownPeople}) i;
  insert into accounts.invitations (id, account_id, email, role, hash, created_at, expires_at)
    select gen_random_uuid(), '${accountId}', '', 'viewer', sha256(convert_to('grown ' || i, 'UTF8')), now(), now()
    from generate_series(1, ${grownPeople}) i;
  insert into accounts.password_resets (account_id, person_id, hash, for_several_accounts, created_at, expires_at)
    select '${accountId}', ${personId(`1 + i % ${grownPeople}`)}, sha256(convert_to('grown ' || i, 'UTF8')), false, now(), now()
    from generate_series(1, ${grownPeople}) i;
  insert into accounts.mails (id, account_id, invitation_id, recipient, created_at, expires_at, mailed_at)
    select gen_random_uuid(), account_id, id, '', now(), now(), now() from accounts.invitations where account_id = '${accountId}';
  insert into accounts.audit_entries (account_id, at, action, actor_kind, actor_id, actor_name, address, request_id, target_kind, target_id, outcome)
    select '${accountId}', now() - interval '500 days' + i * interval '1 minute', 'grown' || i % 100, 'person', i % 1000, '', '', '', 'members', i % 1000, 'done'
    from generate_series(1, ${4 * grownPeople}) i;
  insert into accounts.sign_in_counts (subject, tries, since)
    select sha256(convert_to('grown ' || i, 'UTF8')), 1, now() - interval '1 hour' from generate_series(1, ${grownPeople}) i`

const personId = (i: string): string =>
  `('90000000-0000-7000-8000-' || lpad(to_hex(${i}), 12, '0'))::uuid`
const idOf = (i: number): string => `90000000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`

/** Every call about people whose cost could grow with them. */
export function peopleCalls(
  { accounts }: Clients,
  tenant: Tenant,
): { name: string; run(i: number): Promise<unknown> }[] {
  return [
    { name: 'ListMembers', run: () => accounts.listMembers({ limit: 200 }, tenant) },
    {
      name: 'ListMembers, a later page',
      run: (i) => accounts.listMembers({ after: idOf(i * 100), limit: 200 }, tenant),
    },
    { name: 'GetPerson', run: (i) => accounts.getPerson({ id: idOf(i) }, tenant) },
    {
      name: 'AuthenticateSession',
      run: (i) => accounts.authenticateSession({ token: `grown ${i}` }, {}),
    },
    {
      name: 'GetSecondFactor',
      run: (i) => accounts.getSecondFactor({ personId: idOf(i) }, tenant),
    },
    {
      name: 'ResetSecondFactor',
      run: (i) => accounts.resetSecondFactor({ id: idOf(30 + i), heldRights: ['*'] }, tenant),
    },
    { name: 'ListRoles', run: () => accounts.listRoles({}, tenant) },
    { name: 'ListSessions', run: (i) => accounts.listSessions({ personId: idOf(i) }, tenant) },
    {
      name: 'SetMemberRole',
      run: (i) => accounts.setMemberRole({ id: idOf(i), role: 'agent', heldRights: ['*'] }, tenant),
    },
    { name: 'EndSessions', run: (i) => accounts.endSessions({ personId: idOf(10 + i) }, tenant) },
    ...[{}, { action: 'grown7' }, { actorId: '7' }, { targetId: '7' }].map((asked) => ({
      name: `ListAuditEntries ${Object.keys(asked)}`,
      run: () => accounts.listAuditEntries(asked, tenant),
    })),
    {
      name: 'RecordOrder and FinishOrder',
      run: async () => {
        const { id } = await accounts.recordOrder({ action: 'x', targetKind: 'campaigns' }, tenant)
        await accounts.finishOrder({ id, outcome: 'done' }, tenant)
        return true
      },
    },
    {
      name: 'CreateInvitation',
      run: (i) =>
        accounts.createInvitation(
          { email: `invited-${i}@example.com`, role: 'viewer', heldRights: ['*'] },
          tenant,
        ),
    },
    { name: 'ListInvitations', run: () => accounts.listInvitations({ limit: 200 }, tenant) },
    {
      name: 'a link to another password, made and used',
      run: async (i) => {
        const asked = { id: idOf(20 + i), heldRights: ['*'] }
        const { token } = await accounts.createPasswordReset(asked, tenant)
        return accounts.resetPassword({ token, password: 'correct horse battery' }, {})
      },
    },
    {
      name: "SignIn, by a name that is nobody's",
      run: (i) =>
        accounts
          .signIn({ email: `nobody-${i}@example.com`, password: 'x' }, {})
          .catch(() => 'refused'),
    },
  ]
}
