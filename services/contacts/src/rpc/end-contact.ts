import type { Method } from '@lockstep/rpc'
import type {
  ArchiveContactRequest,
  ArchiveContactResponse,
  ForgetContactRequest,
  ForgetContactResponse,
} from '@lockstep/rpc/gen/contacts'
import { requireId } from '@lockstep/service'
import { announceContact } from '../changes/announce-contact.ts'
import type { Context } from '../context.ts'
import { lockContacts, requireLive } from '../db/contacts.ts'
import { archive } from '../db/update-contact.ts'
import { forgetContact as forget } from '../forgetting/forget-contact.ts'

/** Consent and history stay, and whoever writes, is imported or is created again comes back. */
export const archiveContact: Method<Context, ArchiveContactRequest, ArchiveContactResponse> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const { id } = await requireLive(tx, requireId(request.id, 'contact'))
    await lockContacts(tx, [id])
    await archive(tx, id)
    await announceContact(ctx, tx, id, 'archived')
    return {}
  })

/** What the person refuses outlives them. */
export const forgetContact: Method<Context, ForgetContactRequest, ForgetContactResponse> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    await forget(ctx, tx, requireId(request.id, 'contact'))
    return {}
  })
