/**
 * How processes know, through Redis and NATS, which of them live. One of which neither hears may be declared
 * dead, so a process is certain of what it holds only while one of them has heard of it.
 */
export interface Liveness {
  readonly id: string
  /** How long nothing that this process holds can be given to another; 0 or less: perhaps something was. */
  certainForMs(): number
  /** Resolves when it is certain again: then everything still held is its own. */
  certain(): Promise<void>
  /** Calls `fn` when this process was declared dead: its deliveries are another's now. */
  onLost(fn: (reason: string) => void): Disposable
  /** From now on this process may be declared dead. At each renewal `fn` gets those that Redis has not heard of lately. */
  follow(fn: (silent: readonly string[]) => void): Disposable
  /** NATS answered a question that was sent at this monotonic time. */
  answered(sentAt: number): void
  /** The connection to NATS was lost. */
  disconnected(): void
  /** Notes a delivery that this process holds, for those who find it dead. Best effort. */
  addDelivery(replySubject: string): void
  removeDelivery(replySubject: string): void
  /** Frees the locks of a process that was silent for so long; its deliveries, or null when it was not or another was first. */
  declareDead(id: string, silentMs: number): Promise<readonly string[] | null>
}
