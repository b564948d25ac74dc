/**
 * What others know of this process's life, in Redis and in NATS, and what it knows of theirs. A process may be declared dead when
 * neither hears of it; so it is certain of what it holds only while one of them has.
 */
export interface Life {
  readonly id: string
  /** How long this process can be sure that nothing it holds was given to another; below 0: perhaps something was. */
  certainForMs(): number
  /** Resolves when it is certain again: then everything still held is its own. */
  certain(): Promise<void>
  /** Calls `fn` when this process was declared dead: its deliveries are another's now. */
  onLost(fn: (reason: string) => void): Disposable
  /** From now on this process may be declared dead. Calls `fn`, each time it renews its key, with the others that Redis has not heard of for a while. */
  follow(fn: (silent: readonly string[]) => void): Disposable
  /** NATS answered a question that was sent at this monotonic time. */
  answered(sentAt: number): void
  /** The connection to NATS was lost. */
  disconnected(): void
  /** Notes a delivery that this process holds, for those who find it dead. Best effort. */
  addDelivery(replySubject: string): void
  removeDelivery(replySubject: string): void
  /** Frees the locks of a process that was silent for so long, and gives its deliveries; null when it was not, or another was first. */
  declareDead(id: string, silentMs: number): Promise<readonly string[] | null>
}
