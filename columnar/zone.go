package columnar

import (
	"fmt"
	"time"
	_ "time/tzdata" // zones by name work on machines that lack the database
)

// zonesMax bounds the zones that a decoder remembers: their names come from records.
const zonesMax = 1024

// zoneCache are the zones that records named, by name; nil for names that are none.
type zoneCache map[string]*time.Location

// find returns the zone of a name such as Europe/Paris.
func (c *zoneCache) find(name []byte) (*time.Location, bool) {
	if loc, ok := (*c)[string(name)]; ok {
		return loc, loc != nil
	}
	loc, err := loadZone(string(name))
	if err != nil {
		loc = nil
	}
	if *c == nil {
		*c = zoneCache{}
	}
	if len(*c) < zonesMax {
		(*c)[string(name)] = loc
	}
	return loc, loc != nil
}

// javaZones are Java's short names of zones (java.time.ZoneId.SHORT_IDS).
var javaZones = map[string]string{
	"ACT": "Australia/Darwin", "AET": "Australia/Sydney", "AGT": "America/Argentina/Buenos_Aires", "ART": "Africa/Cairo",
	"AST": "America/Anchorage", "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka", "CAT": "Africa/Harare", "CNT": "America/St_Johns",
	"CST": "America/Chicago", "CTT": "Asia/Shanghai", "EAT": "Africa/Addis_Ababa", "ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis",
	"IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "MIT": "Pacific/Apia", "NET": "Asia/Yerevan", "NST": "Pacific/Auckland", "PLT": "Asia/Karachi",
	"PNT": "America/Phoenix", "PRT": "America/Puerto_Rico", "PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal", "VST": "Asia/Ho_Chi_Minh",
}

// loadZone is the zone of a region's name, of one of Java's short names, or of a fixed offset such as +01:00 or UTC.
func loadZone(name string) (*time.Location, error) {
	var w wallClock
	if w.parseOffset([]byte(name)) {
		return time.FixedZone(name, int(w.offset)), nil
	}
	if long, ok := javaZones[name]; ok {
		name = long
	}
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, fmt.Errorf("%q is not a time zone", clip(name, 64))
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone", name)
	}
	return loc, nil
}

// localSeconds is the instant of a wall clock in loc, both in seconds. As in Java a time that comes twice is the earlier one, and one
// that is left out is moved by the length of the gap.
func localSeconds(wall int64, loc *time.Location) int64 {
	offset := func(at int64) int64 {
		_, o := time.Unix(at, 0).In(loc).Zone()
		return int64(o)
	}
	before := offset(wall - secondsPerDay)
	if offset(wall-before) == before {
		return wall - before
	}
	if after := offset(wall + secondsPerDay); offset(wall-after) == after {
		return wall - after
	}
	return wall - before
}
