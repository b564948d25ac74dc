/** A value that closes what was opened for it when it is disposed of. */
export function owning<Value extends object>(
  value: Value,
  stack: AsyncDisposableStack,
): Value & AsyncDisposable {
  const opened = stack.move()
  return { ...value, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
