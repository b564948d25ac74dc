import { openService, openStack } from './setup.ts'

export const now = Math.floor(Date.now() / 1000)

/** A running inbox, and tenants to which values are posted as Meta does. */
export async function openThreads() {
  await using up = new AsyncDisposableStack()
  const stack = up.use(await openStack())
  const service = up.use(await openService(stack.config))
  const { contacts } = stack
  const page = { after: '', limit: 0 }
  let numbers = 100
  let parts = 0

  /** A tenant with a number of its own. */
  async function tenant() {
    const phoneNumberId = String(++numbers)
    const owner = await stack.tenant(phoneNumberId)
    const metadata = { display_phone_number: '15550001', phone_number_id: phoneNumberId }
    const conversations = async () =>
      (await service.client.listConversations(page, owner)).conversations
    const messages = async (conversationId: string) =>
      (await service.client.listMessages({ conversationId, ...page }, owner)).messages
    return {
      ...owner,
      conversations,
      messages,
      /** Posts a value, and waits until its parts have ended. */
      async post(field: string, value: object, partsOfBody = 1) {
        const change = { field, value: { messaging_product: 'whatsapp', metadata, ...value } }
        const entry = [{ id: '202', changes: [change] }]
        await stack.deliver(owner, JSON.stringify({ object: 'whatsapp_business_account', entry }))
        parts += partsOfBody
        await stack.outcomes(parts)
      },
      people: async () => (await contacts.listContacts({ tag: '', ...page }, owner)).contacts,
      thread: async () => messages((await conversations())[0]!.id),
      inboundCount: async () => {
        const connection = { connectionId: owner.connectionId, sinceMs: 0 }
        return (await service.client.countInbound(connection, owner)).messages
      },
    }
  }

  const opened = up.move()
  return { stack, service, tenant, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

let wamids = 0
/** The wamid of the last text. */
export const lastWamid = (): string => `wamid.${wamids}`

/** A text message with a wamid of its own. */
export const text = (body: string, more: object = {}) => ({
  id: `wamid.${++wamids}`,
  timestamp: String(now),
  type: 'text',
  text: { body },
  ...more,
})
