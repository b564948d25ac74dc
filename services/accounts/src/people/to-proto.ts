import type * as proto from '@lockstep/rpc/gen/accounts'
import type { InvitationRow } from '../db/invitations.ts'
import type { MemberRow } from '../db/members.ts'
import type { PersonRow } from '../db/people.ts'
import type { SessionRow } from '../db/sessions.ts'
import { rightsOf } from './roles.ts'

export function sessionToProto(row: SessionRow): proto.Session {
  const { id, createdAt, lastUsedAt, endsAt, address, userAgent } = row
  return {
    id,
    createdAtMs: createdAt.getTime(),
    lastUsedAtMs: lastUsedAt.getTime(),
    endsAtMs: endsAt.getTime(),
    origin: { address, userAgent, requestId: '' },
  }
}

export const personToProto = ({ id, email, name }: PersonRow): proto.Person => ({ id, email, name })

export function memberToProto({ joinedAt, ...row }: MemberRow): proto.Member {
  return { ...row, rights: rightsOf(row), joinedAtMs: joinedAt.getTime() }
}

export function invitationToProto(row: InvitationRow): proto.Invitation {
  const { id, email, role, createdAt, expiresAt, acceptedAt, withdrawnAt } = row
  const { mailedAt, mailError } = row
  return {
    id,
    email,
    role,
    createdAtMs: createdAt.getTime(),
    expiresAtMs: expiresAt.getTime(),
    acceptedAtMs: acceptedAt?.getTime(),
    withdrawnAtMs: withdrawnAt?.getTime(),
    mailedAtMs: mailedAt?.getTime(),
    mailError: mailError ?? '',
  }
}
