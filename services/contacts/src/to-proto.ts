import type * as proto from '@lockstep/rpc/gen/contacts'
import type { Import } from './db/entities.ts'

export function importToProto({ createdAt, finishedAt, ...rest }: Import): proto.Import {
  return { ...rest, createdAtMs: createdAt.getTime(), finishedAtMs: finishedAt?.getTime() }
}
