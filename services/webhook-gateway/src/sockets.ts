import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { shares } from '@lockstep/contracts'

/** Bounds the connections of each address; one more is closed at once. */
export function boundSockets(server: Server): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    if (count > shares.address_sockets.limit) return void socket.destroy()
    open.set(address, count)
    socket.once('close', () => {
      const left = open.get(address)! - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}
