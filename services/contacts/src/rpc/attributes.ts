import { AppError, attributeTypes } from '@lockstep/contracts'
import type { Tx } from '@lockstep/database'
import type { Method } from '@lockstep/rpc'
import type * as proto from '@lockstep/rpc/gen/contacts'
import { chosenId, requireId, requireText } from '@lockstep/service'
import type { Context } from '../context.ts'
import {
  type AttributeRow,
  countValues,
  findAttribute,
  insertAttribute,
  listAttributes as listRows,
  markDropped,
  writeAttribute,
} from '../db/attributes.ts'
import { readAttributeName } from '../fields/contact-fields.ts'

const maxAttributes = 200
const maxChoices = 200
const maxTextLength = 256

const toProto = ({ createdAt, ...row }: AttributeRow): proto.Attribute => ({
  ...row,
  createdAtMs: createdAt.getTime(),
})

export const listAttributes: Method<
  Context,
  proto.ListAttributesRequest,
  proto.ListAttributesResponse
> = (ctx, _request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => ({
    attributes: (await listRows(tx)).map(toProto),
  }))

/** Contacts that have values of this name already are found by it once they are indexed. */
export const createAttribute: Method<Context, proto.CreateAttributeRequest, proto.Attribute> = (
  ctx,
  request,
  call,
) => {
  const id = chosenId(request.id)
  const type = attributeTypes.find((one) => one === request.type)
  if (!type) throw new AppError('invalid', `"type" must be one of ${attributeTypes.join(', ')}`)
  const name = readAttributeName(requireText(request.name, 'name', maxTextLength))
  const label = requireText(request.label || name, 'label', maxTextLength)
  const choices = readChoices(type, request.choices)
  return ctx.db.transaction(call.accountId, async (tx) => {
    const known = await listRows(tx)
    const made = request.id && known.find((one) => one.id === id)
    if (made) return toProto(made)
    if (known.length >= maxAttributes)
      throw new AppError(
        'conflict',
        `The account has ${maxAttributes} attributes; delete one first`,
      )
    const row = { id, name, label, type, choices, createdAt: new Date(ctx.now()) }
    if (!(await insertAttribute(tx, row)))
      throw new AppError(
        'conflict',
        `There is an attribute "${name}"; change it, or take another name`,
      )
    return toProto(await findAttribute(tx, id))
  })
}

/** Its name and type stay: values are kept by them. */
export const updateAttribute: Method<Context, proto.UpdateAttributeRequest, proto.Attribute> = (
  ctx,
  request,
  call,
) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const id = requireId(request.id, 'attribute')
    const row = await findAttribute(tx, id, { lock: true })
    const label =
      request.label === undefined ? row.label : requireText(request.label, 'label', maxTextLength)
    const choices = request.choices ? readChoices(row.type, request.choices.choices) : row.choices
    const gone = row.choices.filter((one) => !choices.includes(one))
    if (gone.length > 0) await requireUnused(tx, row, gone)
    await writeAttribute(tx, { id, label, choices })
    return toProto({ ...row, label, choices })
  })

/** Values that are kept are texts without a type from then on. */
export const deleteAttribute: Method<
  Context,
  proto.DeleteAttributeRequest,
  proto.DeleteAttributeResponse
> = (ctx, request, call) =>
  ctx.db.transaction(call.accountId, async (tx) => {
    const row = await findAttribute(tx, requireId(request.id, 'attribute'), { lock: true })
    if (!request.keepValues) await requireUnused(tx, row)
    await markDropped(tx, row.id)
    return {}
  })

/** Throws `conflict`, naming how many contacts have values, or one of these choices. */
async function requireUnused(tx: Tx, row: AttributeRow, choices?: string[]): Promise<void> {
  if (row.isIndexing)
    throw new AppError(
      'conflict',
      `The contacts with "${row.name}" are still being looked up; try again in a minute`,
    )
  const { contacts, isMore } = await countValues(tx, row.id, choices)
  if (contacts === 0) return
  const count = `${isMore ? 'more than ' : ''}${contacts.toLocaleString('en')}`
  const have = contacts === 1 && !isMore ? 'contact has' : 'contacts have'
  if (choices) {
    const names = choices.map((one) => `"${one}"`).join(', ')
    throw new AppError(
      'conflict',
      `${count} ${have} the choice ${names} of "${row.name}": give them another before it goes`,
    )
  }
  throw new AppError(
    'conflict',
    `${count} ${have} a value of "${row.name}": take them away first, or keep them as texts with keep_values`,
  )
}

function readChoices(type: string, choices: readonly string[]): string[] {
  if (type !== 'choice') {
    if (choices.length === 0) return []
    throw new AppError('invalid', `"choices" are of the type choice, and this one is ${type}`)
  }
  const read = choices.map((choice) => requireText(choice, 'choices', maxTextLength))
  const different = new Set(read.map((choice) => choice.toLowerCase()))
  if (read.length === 0) throw new AppError('invalid', '"choices" must name at least one choice')
  if (read.length > maxChoices)
    throw new AppError('invalid', `"choices" names ${read.length} choices, at most ${maxChoices}`)
  if (different.size < read.length)
    throw new AppError('invalid', '"choices" must name each choice once, in one way of writing')
  return read
}
