/**
 * How processes know which of them live. One of which neither Redis nor NATS hears may be declared
 * dead; until then it is certain of what it holds.
 */
export interface Liveness {
  readonly id: string
  /** How long all that this process holds is certainly its own; 0 or less: perhaps not. */
  certainForMs(): number
  /** Resolves when it is certain again: then everything still held is its own. */
  certain(): Promise<void>
  /** Calls `fn` when this process was declared dead: its deliveries are another's now. */
  onLost(fn: (reason: string) => void): Disposable
  /** From now on it may be declared dead; `fn` gets those that Redis has not heard of lately. */
  follow(fn: (silent: readonly string[]) => void): Disposable
  /** NATS answered a question that was sent at this monotonic time. */
  answered(sentAt: number): void
  /** The connection to NATS was lost. */
  disconnected(): void
  /** Notes a delivery that this process holds, for those who find it dead. Best effort. */
  addDelivery(replySubject: string): void
  removeDelivery(replySubject: string): void
  /** Frees a silent process's locks; its deliveries, or null when another was first or it lives. */
  declareDead(id: string, silentMs: number): Promise<readonly string[] | null>
}
