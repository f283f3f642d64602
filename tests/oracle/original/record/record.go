// Package record has what the original's passes use of its package of that name, which would bring half of it along.
package record

// EventOptions is a kind of Event.
type EventOptions struct {
	EventType   string
	EventReason string
}
