import type { Tx } from '@lockstep/database'
import { announce } from '@lockstep/feeds'
import type { Context } from './context.ts'
import type { TemplateStatus } from './db/templates.ts'

/** Tells those who follow the account which templates have another status, or are new. */
export function announceStatuses(
  ctx: Context,
  tx: Tx,
  templates: readonly TemplateStatus[],
): Promise<void> {
  const events = templates.map(({ id, wabaId, name, language, status }) => ({
    kind: 'template.status' as const,
    subjectId: id,
    body: { waba_id: wabaId, name, language, status },
  }))
  return announce(ctx, tx, ...events)
}
