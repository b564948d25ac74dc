import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { shares } from '@lockstep/contracts'

/** Closes sockets of an address beyond its share at once. */
export function limitSockets(server: Server): void {
  const counts = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (counts.get(address) ?? 0) + 1
    if (count > shares.address_sockets.limit) return void socket.destroy()
    counts.set(address, count)
    socket.once('close', () => {
      const left = counts.get(address)! - 1
      if (left === 0) counts.delete(address)
      else counts.set(address, left)
    })
  })
}
