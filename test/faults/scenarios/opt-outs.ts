import { setTimeout as delay } from 'node:timers/promises'
import type { FaultScenario } from '../scenario.ts'

export const optOuts: FaultScenario = {
  name: 'opt-outs',
  guarantee:
    'who says stop during a send, by a message or through the API, is not written to afterwards',
  processes: ['campaigns'],
  async run(run, size) {
    const total = size === 'full' ? 1_500 : 400
    const { id, tag } = await run.startCampaign(total)
    const { contacts } = await run.system.clients.contacts.listContacts(
      { tag, limit: 200 },
      run.tenant,
    )
    for (let i = 0; i < (size === 'full' ? 60 : 20); i++) {
      await delay(run.dice(0, 40))
      const contact = run.pick(contacts)
      const text = run.pick(['STOP', 'baja', 'unsubscribe'])
      if (run.dice(0, 1) === 0)
        await run.system.simulator.client.inbound({
          phoneNumberId: run.tenant.phoneNumberId,
          from: contact.phone,
          text,
        })
      else
        await run.system.clients.contacts.recordConsent(
          { contactId: contact.id, kind: 'opt_out', evidence: 'phone call' },
          run.tenant,
        )
      run.tally.orders++
    }
    await run.finish(id)
  },
}
