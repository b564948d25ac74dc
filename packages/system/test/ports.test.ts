import { services } from '@lockstep/contracts'
import { expect, test } from 'vitest'
import { documentedPorts, planPorts } from '../src/index.ts'

test('the documented ports can be planned for every service, also for one without public HTTP', async () => {
  const plan = await planPorts(await documentedPorts())
  expect(Object.keys(plan).toSorted()).toEqual([...services].toSorted())
  const ports = Object.values(plan).flatMap(({ grpc, health, http }) => [grpc, health, http])
  expect(ports.every((port) => port > 0)).toBe(true)
  expect(new Set(ports).size).toBe(ports.length)
})
