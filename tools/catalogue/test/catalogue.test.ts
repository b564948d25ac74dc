import { locks } from '@lockstep/contracts'
import { expect, test } from 'vitest'
import { writeCatalogue } from '../src/catalogue.ts'
import { differences } from '../src/differences.ts'

const sender = {
  file: 'services/campaigns/src/sending/send-campaign.ts',
  text: "holdFenced(ctx, 'campaign_send', campaign.id)",
}
const lookalike = { file: 'services/campaigns/src/other.ts', text: "'campaign_send_later'" }

test('each lock has its key and its TTL, and exactly the files that name it', () => {
  const lines = writeCatalogue([sender, lookalike]).split('\n')
  for (const { key } of Object.values(locks))
    expect(lines.filter((line) => line.includes(`\`${key('{id}')}\``))).toHaveLength(1)
  const line = lines.find((line) => line.includes('campaign_send:{id}'))
  expect(line).toContain('| 1 min | later | yes |')
  expect(line).toContain(
    '| [campaigns/sending/send-campaign.ts](../services/campaigns/src/sending/send-campaign.ts) |',
  )
  expect(lines.find((line) => line.startsWith('| [campaigns]'))).toContain('`campaign_send`')
})

test('a catalogue that is out of date says what is', () => {
  const old = writeCatalogue([])
  expect(differences(old, old)).toEqual([])
  const found = differences(old, writeCatalogue([sender]))
  expect(found.filter((line) => line.startsWith('+ Locks: '))).toEqual([
    expect.stringContaining('campaigns/sending/send-campaign.ts'),
  ])
  expect(found.every((line) => /^[+-] /.test(line))).toBe(true)
})
