import type * as proto from '@lockstep/rpc/gen/templates'
import type { SyncRun, Template } from './db/entities.ts'

export function templateToProto(template: Template): proto.Template {
  const {
    id,
    wabaId,
    name,
    language,
    category,
    status,
    components,
    parameterFormat,
    quality,
    rejectedReason,
    syncedAt,
  } = template
  const { statusReason, nextCategory, nextCategoryAt } = template
  const same = {
    id,
    wabaId,
    name,
    language,
    category,
    status,
    parameterFormat,
    quality,
    rejectedReason,
    statusReason,
    nextCategory,
  }
  const times = { syncedAtMs: syncedAt.getTime(), nextCategoryAtMs: nextCategoryAt?.getTime() }
  return { ...same, ...times, componentsJson: JSON.stringify(components) }
}

export function syncRunToProto({
  id,
  connectionId,
  state,
  seen,
  removed,
  failure,
  startedAt,
  finishedAt,
}: SyncRun): proto.SyncRun {
  return {
    id,
    connectionId,
    state,
    seen,
    removed,
    failure,
    startedAtMs: startedAt.getTime(),
    finishedAtMs: finishedAt?.getTime(),
  }
}
